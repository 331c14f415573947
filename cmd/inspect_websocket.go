package cmd

import "github.com/spf13/pflag"

// addOpening adds the flags that concern the opening handshake alone.
func (w *webSocketFlags) addOpening(f *pflag.FlagSet) {
	f.StringArrayVarP(&w.headers, "header", "H", nil, "add this header to the request, `'NAME: VALUE'` (repeatable)")
	f.StringSliceVarP(&w.subprotocols, "subprotocol", "s", nil, "offer this subprotocol, `NAME` (repeatable)")
	f.StringVar(&w.origin, "origin", "", "send this `ORIGIN`, as a browser would")
	f.StringVar(&w.basicAuth, "basic-auth", "", "log in, `USER:PASSWORD` or @FILE")
	f.BoolVar(&w.compress, "compress", false, "offer permessage-deflate (the default)")
	f.BoolVar(&w.noCompress, "no-compress", false, "do not offer it")
}
