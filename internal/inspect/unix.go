package inspect

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/udp"
)

// unix inspects a Unix socket: its file, whether anybody is there, and who.
func (in *Inspection) unix(ctx context.Context) error {
	path := in.o.Address.Path
	if !strings.HasPrefix(path, "@") {
		in.Report.File = file(path)
	}
	conn, err := in.dialUnix(ctx, path)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return in.explainUnix(err)
	}
	in.Conn = conn
	in.Report.Reached = ReachedConnection
	in.openToAll()
	in.describe(conn)
	in.Report.Connection.Credentials = credentials(conn)
	if in.o.Address.Scheme == endpoint.Unixgram && len(in.o.Send) == 0 {
		return nil // nobody speaks first on a datagram socket
	}
	return in.application(ctx, conn)
}

func (in *Inspection) dialUnix(ctx context.Context, path string) (conn net.Conn, err error) {
	network := string(in.o.Address.Scheme)
	if in.onUnix() {
		network = "unix"
	}
	a := Attempt{Network: network, Address: path, Result: Connected, Used: true}
	started := time.Now()
	if network == "unixgram" {
		ctx, cancel := in.within(ctx)
		defer cancel()
		conn, err = dialDatagram(ctx, &udp.Dialer{LocalAddr: in.o.Source, Tracer: in.o.Tracer}, path)
	} else {
		d := &tcp.Dialer{Timeout: in.o.Timeout, Tracer: in.o.Tracer}
		conn, err = d.DialContext(ctx, network, path)
		err = cause(err)
	}
	a.Duration = time.Since(started)
	if err != nil {
		a.Used = false
		a.failed(err)
	} else {
		in.Report.Connection = &Connection{Network: network, Remote: path, Duration: a.Duration}
	}
	in.fileState(err)
	in.Report.Attempts = append(in.Report.Attempts, a)
	return conn, err
}

func dialDatagram(ctx context.Context, d *udp.Dialer, path string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, "unixgram", path)
	if err == nil {
		return conn, nil
	}
	var number syscall.Errno
	var operation *udp.Error
	switch {
	case errors.As(err, &number): // without the calls that it came through
		err = number
	case errors.As(err, &operation):
		err = operation.Err
	}
	return nil, err
}

// fileState says what an attempt to connect tells about the file.
func (in *Inspection) fileState(err error) {
	f := in.Report.File
	if f == nil {
		return
	}
	switch {
	case err == nil, errors.Is(err, syscall.EPROTOTYPE):
		f.State = FileAlive
	case errors.Is(err, syscall.ECONNREFUSED) && f.Kind == KindSocket:
		f.State = FileStale
	}
}

// explainUnix words why a Unix socket cannot be connected to.
func (in *Inspection) explainUnix(err error) error {
	f := in.Report.File
	why := func(words, hint string) error {
		return &endpoint.Hint{Err: &worded{tcp.Reason(err) + words, err}, Text: hint}
	}
	switch {
	case errors.Is(err, syscall.EPROTOTYPE) && in.o.Address.Scheme != endpoint.Unixgram:
		return why(": it is a datagram socket", "write unixgram:"+in.o.Address.Path)
	case errors.Is(err, syscall.EPROTOTYPE):
		return why(": it is a stream socket", "write unix:"+in.o.Address.Path)
	case f == nil:
		return err
	case f.State == FileStale:
		return why(": the socket's file is there, and nobody is bound to it", "start the service; a file that is left over can be removed")
	case f.Kind == KindDirectory:
		return why(": this is a directory, and no socket", "name the socket's file in it")
	case f.Kind == KindFile:
		return why(": this is a file, and no socket", "")
	}
	return err
}

// worded is an error in other words.
type worded struct {
	text string
	err  error
}

func (w *worded) Error() string { return w.text }
func (w *worded) Unwrap() error { return w.err }

// file looks at the file of a Unix socket.
func file(path string) *File {
	f := &File{Path: path, Kind: KindUnknown, State: FileUnknown}
	if target, err := os.Readlink(path); err == nil {
		f.Target = target
	}
	info, err := os.Stat(path)
	if err != nil {
		f.Error = reasonOf(err)
		if errors.Is(err, fs.ErrNotExist) {
			f.Kind = KindMissing
		}
		return f
	}
	f.Kind = kindOf(info.Mode())
	f.Mode, f.Octal = modeText(info.Mode()), "0"+strconv.FormatUint(uint64(info.Mode().Perm()), 8)
	if uid, gid, ok := owner(info); ok {
		f.UID, f.GID = &uid, &gid
		f.User, f.Group = userName(uid), groupName(gid)
	}
	return f
}

// reasonOf words err without the path that package os puts in front of it.
func reasonOf(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return tcp.Reason(err)
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSocket != 0:
		return KindSocket
	case mode.IsDir():
		return KindDirectory
	}
	return KindFile
}

// modeText writes a mode as ls does: srwxr-xr-x.
func modeText(mode fs.FileMode) string {
	kind := "-"
	switch {
	case mode&fs.ModeSocket != 0:
		kind = "s"
	case mode.IsDir():
		kind = "d"
	}
	return kind + mode.Perm().String()[1:]
}

// openToAll notes that every local user may connect.
func (in *Inspection) openToAll() {
	f := in.Report.File
	if f != nil && f.Kind == KindSocket && f.Mode[len(f.Mode)-2] == 'w' {
		in.Report.add(Finding{ID: SocketOpen, Severity: Note, What: "every local user may use the socket: its mode is " + f.Octal,
			Hint: "sockkit listen --mode 0600 keeps others out; so does the mode of the directory"})
	}
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return ""
}

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return ""
}
