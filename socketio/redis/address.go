package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sockkit/sockkit/tcp"
)

// parameters are those of a URL that go-redis does not know.
type parameters struct {
	cluster                                         bool
	master, sentinelUser, sentinelPassword          string
	passwordFile, caFile, certFile, keyFile, server string
}

// takeParameters takes them out of a query.
func takeParameters(q url.Values) *parameters {
	p := &parameters{cluster: q.Get("cluster") == "true"}
	q.Del("cluster")
	for name, field := range map[string]*string{
		"master_name": &p.master, "sentinel_username": &p.sentinelUser, "sentinel_password": &p.sentinelPassword,
		"password_file": &p.passwordFile, "ca_file": &p.caFile, "cert_file": &p.certFile, "key_file": &p.keyFile, "server_name": &p.server,
	} {
		*field = q.Get(name)
		q.Del(name)
	}
	return p
}

// open makes the client of a URL.
func (c *Conn) open(address string) error {
	first, hosts := splitHosts(address)
	u, err := parseURL(first)
	if err != nil {
		return err
	}
	query := u.Query()
	p := takeParameters(query)
	u.RawQuery = query.Encode()
	c.address = addressOf(u, hosts)
	scheme, sentinels := strings.CutSuffix(u.Scheme, "-sentinel")
	u.Scheme = scheme
	o, err := goredis.ParseURL(u.String())
	if err == nil {
		err = checkPlace(o, hosts)
	}
	if err == nil {
		err = c.configure(o, p)
	}
	if err != nil && u.User == nil && strings.Contains(query.Encode(), "%40") {
		return errUnreadable // what stands behind a ? may be a password's rest
	}
	if err != nil {
		return fmt.Errorf("redis: %s: %s", c.address, strings.TrimPrefix(err.Error(), "redis: "))
	}
	return c.connect(o, p, hosts, sentinels)
}

// checkPlace refuses what no Redis can have: a number of a database, or a port.
func checkPlace(o *goredis.Options, hosts []string) error {
	if o.DB < 0 {
		return fmt.Errorf("invalid database number: %d", o.DB)
	}
	for _, host := range hosts {
		if host == "" && len(hosts) > 1 {
			return errors.New("a host is missing between the commas")
		}
		_, port, err := net.SplitHostPort(host)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("invalid port: %q", port)
		}
	}
	return nil
}

// errUnreadable quotes nothing: what cannot be read may be a password.
var errUnreadable = errors.New("redis: the URL cannot be read; want redis://user:password@host:port/database, and in user and password %2F for /, %3F for ?, %23 for #, %25 for %, %40 for @")

// parseURL reads a URL, whose scheme is one of those that lead to a Redis.
func parseURL(address string) (*url.URL, error) {
	scheme, _, ok := strings.Cut(address, "://")
	if !ok {
		return nil, errors.New("redis: the address has no scheme; want redis://user:password@host:port/database, or unix:///path")
	}
	switch strings.ToLower(scheme) {
	case "redis", "rediss", "redis-sentinel", "rediss-sentinel", "unix":
	default:
		return nil, fmt.Errorf("redis: the scheme %q is unknown; want redis, rediss, redis-sentinel, rediss-sentinel or unix", scheme)
	}
	u, err := url.Parse(address)
	if err != nil || u.Fragment != "" || u.Scheme != "unix" && strings.Contains(u.Path, "@") {
		return nil, errUnreadable
	}
	return u, nil
}

// connect makes the client.
func (c *Conn) connect(o *goredis.Options, p *parameters, hosts []string, sentinels bool) error {
	isCluster := len(hosts) > 1 || p.cluster
	switch {
	case sentinels && p.cluster:
		return fmt.Errorf("redis: %s: a cluster has no sentinels", c.address)
	case sentinels:
		c.client = goredis.NewFailoverClient(sentinelOptions(o, p, hosts))
	case p.master != "" || p.sentinelUser != "" || p.sentinelPassword != "":
		return fmt.Errorf("redis: %s: master_name and the credentials of sentinels are for redis-sentinel:// and rediss-sentinel://", c.address)
	case !isCluster:
		c.client = goredis.NewClient(o)
	case o.DB != 0:
		return fmt.Errorf("redis: %s: a cluster has no database %d, only 0", c.address, o.DB)
	default:
		c.cluster = goredis.NewClusterClient(clusterOptions(o, hosts))
		c.client = c.cluster
	}
	return nil
}

// addressOf is a URL for people: without user, password and parameters.
func addressOf(u *url.URL, hosts []string) string {
	if u.Scheme == "unix" {
		return "unix://" + u.Path
	}
	return u.Scheme + "://" + strings.Join(hosts, ",")
}

// splitHosts returns a URL with its first host alone, and all of them.
func splitHosts(address string) (first string, hosts []string) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address, []string{""}
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		end = i
	}
	at := strings.LastIndex(rest[:end], "@") + 1
	hosts = strings.Split(rest[at:end], ",")
	return scheme + "://" + rest[:at] + hosts[0] + rest[end:], hosts
}

// configure sets what the URL does not. Nothing is sent twice by itself: what may
// be is for the queue to know.
func (c *Conn) configure(o *goredis.Options, p *parameters) error {
	if o.Username == "" && o.Password == "" {
		o.Username, o.Password = c.options.Username, c.options.Password
	}
	if err := c.configureTLS(o, p); err != nil {
		return err
	}
	if err := c.configurePassword(o, p); err != nil {
		return err
	}
	o.Protocol, o.DisableIdentity, o.ContextTimeoutEnabled = 2, true, true
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = c.options.Timeout, c.options.Timeout, c.options.Timeout
	d := &dialer{tls: o.TLSConfig, timeout: c.options.Timeout - c.options.Timeout/8} // before who waits for it gives up
	c.dialer = d
	o.Dialer, o.TLSConfig = d.dial, nil
	return nil
}

// configurePassword has the password be asked for before each connection, where
// it may change.
func (c *Conn) configurePassword(o *goredis.Options, p *parameters) error {
	ask := c.options.Credentials
	if p.passwordFile != "" {
		user := o.Username
		ask = func(context.Context) (string, string, error) {
			raw, err := os.ReadFile(p.passwordFile)
			password := strings.TrimRight(string(raw), "\r\n")
			if err == nil && password == "" { // it is just being written, perhaps
				err = fmt.Errorf("%s is empty", p.passwordFile)
			}
			return user, password, err
		}
		if _, _, err := ask(context.Background()); err != nil {
			return fmt.Errorf("password_file: %w", err)
		}
	}
	if ask == nil {
		return nil
	}
	o.CredentialsProviderContext = func(ctx context.Context) (string, string, error) {
		user, password, err := ask(ctx)
		if err != nil {
			err = unsentError{err}
		}
		return user, password, err
	}
	return nil
}

// configureTLS makes one configuration of that of the options and the URL's
// parameters.
func (c *Conn) configureTLS(o *goredis.Options, p *parameters) error {
	if o.TLSConfig == nil {
		if p.caFile+p.certFile+p.keyFile+p.server != "" {
			return errors.New("ca_file, cert_file, key_file and server_name are for rediss://")
		}
		return nil
	}
	own := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.TLSConfig.InsecureSkipVerify}
	if c.options.TLS != nil {
		own = c.options.TLS.Clone()
		own.InsecureSkipVerify = own.InsecureSkipVerify || o.TLSConfig.InsecureSkipVerify
	}
	o.TLSConfig = own
	if p.server != "" {
		own.ServerName = p.server
	}
	if p.caFile != "" {
		raw, err := os.ReadFile(p.caFile)
		if err != nil {
			return fmt.Errorf("ca_file: %w", err)
		}
		if own.RootCAs = x509.NewCertPool(); !own.RootCAs.AppendCertsFromPEM(raw) {
			return fmt.Errorf("ca_file: %s holds no certificate in PEM", p.caFile)
		}
	}
	if p.certFile+p.keyFile == "" {
		return nil
	}
	if p.certFile == "" || p.keyFile == "" {
		return errors.New("cert_file and key_file belong together: one of them is missing")
	}
	pair, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return fmt.Errorf("cert_file, key_file: %w", err)
	}
	own.Certificates = []tls.Certificate{pair}
	return nil
}

// Secure reports whether an address is that of a Redis with TLS: rediss:// or
// rediss-sentinel://.
func Secure(address string) bool {
	scheme, _, ok := strings.Cut(strings.ToLower(address), "://")
	return ok && (scheme == "rediss" || scheme == "rediss-sentinel")
}

// TLSParameters puts what a URL says of TLS behind its question mark into o: ca_file,
// cert_file, key_file, server_name and skip_verify. What it does not say stays as it
// is. It is for who looks at such a Redis by other means, too.
func TLSParameters(address string, o *tcp.TLSOptions) {
	first, _ := splitHosts(address)
	u, err := url.Parse(first)
	if err != nil {
		return
	}
	query := u.Query()
	p := takeParameters(query)
	if p.certFile != "" {
		o.Cert, o.Key = p.certFile, p.keyFile
	}
	o.CA, o.ServerName = cmp.Or(p.caFile, o.CA), cmp.Or(p.server, o.ServerName)
	skip, _ := strconv.ParseBool(query.Get("skip_verify"))
	o.Insecure = o.Insecure || skip
}

// TLSConfig is the configuration for the servers of a Redis at a URL: each of them is
// checked for the host that it is dialled by, where neither the URL nor o names
// another one.
func TLSConfig(address string, o tcp.TLSOptions) (*tls.Config, error) {
	TLSParameters(address, &o)
	named := o.ServerName != ""
	if !named {
		o.ServerName = "host" // Client wants one; each dial puts in its own
	}
	config, err := o.Client("")
	if err == nil && !named {
		config.ServerName = ""
	}
	return config, err
}

// withPorts gives those hosts a port that have none.
func withPorts(hosts []string, port string) (all []string) {
	for _, host := range hosts {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		all = append(all, host)
	}
	return all
}

func clusterOptions(o *goredis.Options, hosts []string) *goredis.ClusterOptions {
	return &goredis.ClusterOptions{
		Addrs: withPorts(hosts, "6379"), Dialer: o.Dialer, ClientName: o.ClientName,
		Username: o.Username, Password: o.Password, CredentialsProviderContext: o.CredentialsProviderContext,
		Protocol: o.Protocol, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
	}
}

// defaultMaster is the name that the configuration of sentinels comes with.
const defaultMaster = "mymaster"

func sentinelOptions(o *goredis.Options, p *parameters, hosts []string) *goredis.FailoverOptions {
	if p.master == "" {
		p.master = defaultMaster
	}
	return &goredis.FailoverOptions{
		MasterName: p.master, SentinelAddrs: withPorts(hosts, "26379"), Dialer: o.Dialer, ClientName: o.ClientName,
		SentinelUsername: p.sentinelUser, SentinelPassword: p.sentinelPassword, DB: o.DB,
		Username: o.Username, Password: o.Password, CredentialsProviderContext: o.CredentialsProviderContext,
		Protocol: o.Protocol, DisableIdentity: true, ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
	}
}
