package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/template"
	"time"
)

// children are the programs that are started, with a folder of their own.
type children struct {
	dir     string
	started []*child
	failed  chan error // one of them has ended by itself
}

type child struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// begin starts a program, and tells when it ends by itself.
func (c *children) begin(what string, cmd *exec.Cmd) error {
	if c.failed == nil {
		c.failed = make(chan error, 8)
	}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	apart(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w (%s)", what, err, without[what])
	}
	one := &child{cmd, make(chan struct{})}
	c.started = append(c.started, one)
	go func() {
		err := cmd.Wait()
		close(one.done)
		c.failed <- fmt.Errorf("%s has ended: %v", what, err)
	}()
	return nil
}

// without is how it goes without a program.
var without = map[string]string{
	"redis-server": "-redis URL names one that runs",
	"node":         "-node=false goes without it",
	"nginx":        "-nginx=false goes without it",
}

// end ends them, the last one first.
func (c *children) end() {
	for _, one := range slices.Backward(c.started) {
		_ = one.cmd.Process.Signal(os.Interrupt)
		select {
		case <-one.done:
		case <-time.After(5 * time.Second):
			_ = one.cmd.Process.Kill()
			<-one.done
		}
		sweep(one.cmd)
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}

// folder is a folder for their files.
func (c *children) folder() (string, error) {
	if c.dir != "" {
		return c.dir, nil
	}
	var err error
	c.dir, err = os.MkdirTemp("", "sockkit-cluster-")
	return c.dir, err
}

// entrance is the address that nginx is to listen on, which nobody else does.
func entrance(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("-listen: %w", err)
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", fmt.Errorf("-listen: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// freePort is an address where nobody listens, with a port below those that
// systems give to clients: none of them takes it in between.
func freePort() (string, error) {
	var why error
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(22000))
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
		why = err
	}
	return "", why
}

// answers waits until somebody listens at an address, or one of them has ended.
func (c *children) answers(ctx context.Context, what, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case err := <-c.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %w", what, address, err)
		}
	}
}

// redis starts a Redis that keeps nothing.
func (c *children) redis(ctx context.Context) (url string, err error) {
	dir, err := c.folder()
	if err != nil {
		return "", err
	}
	address, err := freePort()
	if err != nil {
		return "", err
	}
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("redis-server", "--bind", host, "--port", port, "--dir", dir, "--save", "", "--loglevel", "warning")
	if err := c.begin("redis-server", cmd); err != nil {
		return "", err
	}
	return "redis://" + address, c.answers(ctx, "redis-server", address)
}

// node starts the server in Node, whose packages are installed where they are
// missing.
func (c *children) node(ctx context.Context, redis string) (address string, err error) {
	here, err := source()
	if err != nil {
		return "", err
	}
	if os.Getenv("NODE_PATH") == "" {
		if _, err := os.Stat(filepath.Join(here, "node_modules", ".package-lock.json")); err != nil { // what npm writes last
			log.Print("npm installs the packages of the Node server")
			npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
			npm.Dir, npm.Stderr = here, os.Stderr
			if err := npm.Run(); err != nil {
				return "", fmt.Errorf("the packages of the Node server: %w (-node=false goes without it)", err)
			}
		}
	}
	if address, err = freePort(); err != nil {
		return "", err
	}
	cmd := exec.Command("node", filepath.Join(here, "server.cjs"), address, redis)
	if err := c.begin("node", cmd); err != nil {
		return "", err
	}
	return address, c.answers(ctx, "the Node server", address)
}

// source is the folder of this example.
func source() (string, error) {
	for _, dir := range []string{"examples/cluster", "."} {
		if _, err := os.Stat(filepath.Join(dir, "server.cjs")); err == nil {
			return filepath.Abs(dir)
		}
	}
	return "", errors.New("server.cjs is not here: run it from the folder of the module")
}

// program finds one also where Debian has those of administrators, which are not in
// everybody's PATH.
func program(name string) string {
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return name
}

//go:embed nginx.conf
var nginxText string

var nginxConf = template.Must(template.New("nginx").Parse(nginxText))

// nginx starts the balancer.
func (c *children) nginx(ctx context.Context, front string, backends []backend) error {
	dir, err := c.folder()
	if err != nil {
		return err
	}
	name := filepath.Join(dir, "nginx.conf")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	var addresses []map[string]string
	for _, b := range backends {
		addresses = append(addresses, map[string]string{"Name": b.name, "Address": b.address})
	}
	// Started by root, nginx serves as another user, who keeps large requests below.
	err = errors.Join(os.Chmod(dir, 0o711), nginxConf.Execute(f, map[string]any{"Dir": dir, "Front": front, "Servers": addresses}), f.Close())
	if err != nil {
		return err
	}
	if err := c.begin("nginx", exec.Command(program("nginx"), "-p", dir, "-c", name, "-e", "stderr")); err != nil {
		return err
	}
	return c.answers(ctx, "nginx", front)
}
