package cmd

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/tcp"
)

// limitFlags are those that keep peers out, or hold them back.
type limitFlags struct {
	maxConns, maxConnsPerIP int
	maxRate                 size
	allow, deny             []string

	allowed, denied []netip.Prefix
}

const defaultMaxConns = 10000

func (l *limitFlags) add(f *pflag.FlagSet) {
	f.IntVar(&l.maxConns, "max-conns", defaultMaxConns, "turn connections away beyond `N` at once; 0: no bound")
	f.IntVar(&l.maxConnsPerIP, "max-conns-per-ip", 0, "the same for each address that connects; 0: no bound")
	f.Var(&l.maxRate, "max-rate", "hold a stream back to so many bytes a second; drop datagrams beyond so many a second")
	f.StringArrayVar(&l.allow, "allow", nil, "let only these addresses in, `CIDR` (repeatable)")
	f.StringArrayVar(&l.deny, "deny", nil, "turn these addresses away, `CIDR` (repeatable; before --allow)")
}

func (l *limitFlags) complete(bool) error {
	if l.maxConns < 0 || l.maxConnsPerIP < 0 {
		return usagef("--max-conns and --max-conns-per-ip are not negative", "0 is no bound")
	}
	if l.maxConns == 0 {
		l.maxConns = -1
	}
	var err error
	if l.allowed, err = prefixes("--allow", l.allow); err != nil {
		return err
	}
	l.denied, err = prefixes("--deny", l.deny)
	return err
}

func prefixes(flag string, list []string) ([]netip.Prefix, error) {
	var parsed []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			ip, ipErr := netip.ParseAddr(s)
			if ipErr != nil {
				return nil, usagef(fmt.Sprintf("%s %q is neither an address nor a CIDR", flag, s), "write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32")
			}
			p = netip.PrefixFrom(ip, ip.BitLen())
		}
		parsed = append(parsed, p.Masked())
	}
	return parsed, nil
}

// admit returns the check of --allow and --deny, or nil where there is none.
func (l *limitFlags) admit() func(net.Addr) error {
	if len(l.allowed) == 0 && len(l.denied) == 0 {
		return nil
	}
	return func(remote net.Addr) error {
		at, err := netip.ParseAddrPort(remote.String())
		if err != nil {
			return nil // a Unix socket's peers have no address; its file has a mode
		}
		return l.admitAddr(at.Addr())
	}
}

func (l *limitFlags) admitAddr(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	for _, p := range l.denied {
		if p.Contains(ip) {
			return &tcp.Refusal{Rule: "deny", Reason: fmt.Sprintf("%s is within %s", ip, p)}
		}
	}
	for _, p := range l.allowed {
		if p.Contains(ip) {
			return nil
		}
	}
	if len(l.allowed) == 0 {
		return nil
	}
	return &tcp.Refusal{Rule: "allow", Reason: fmt.Sprintf("%s is within none of those allowed", ip)}
}
