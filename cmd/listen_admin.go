package cmd

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/socketio/admin"
)

// adminFlags are those of the Admin UI.
type adminFlags struct {
	login string

	options *admin.Options // nil without
}

func (f *adminFlags) add(set *pflag.FlagSet) {
	set.StringVar(&f.login, "admin", "", "let the page of the Admin UI watch and command, after a login, `USER:PASSWORD` or @FILE")
}

// adminNamespace is what the page connects to.
const adminNamespace = "/admin"

// complete reads the login, in which a hash of bcrypt may stand for the password.
func (f *adminFlags) complete(a endpoint.Address) error {
	if f.login == "" {
		return nil
	}
	if name, _ := a.Namespace(); name == adminNamespace {
		return usagef("--admin takes the namespace "+name+", and the address names it", "sockkit listen --admin USER:PASSWORD sio://"+a.HostPort())
	}
	secret, err := secretValue("--admin", f.login)
	if err != nil {
		return &usageError{err, ""}
	}
	user, password, _ := strings.Cut(secret, ":")
	if user == "" || password == "" {
		return usagef("--admin wants USER:PASSWORD, or @FILE that holds it", "")
	}
	if !admin.IsHash(password) {
		if password, err = admin.HashPassword(password); err != nil {
			return usagef("--admin: the password has more than 72 bytes", "")
		}
	}
	f.options = &admin.Options{Namespace: adminNamespace, Username: user, PasswordHash: password}
	return nil
}

// instrument has a server be watched, where the flag asks for that.
func (f *adminFlags) instrument(server *socketio.Server, showSecrets bool) error {
	if f.options == nil {
		return nil
	}
	f.options.ShowSecrets = showSecrets
	return admin.Instrument(server, f.options)
}
