package cmd

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/sockkit/sockkit/handshake"
	"github.com/sockkit/sockkit/internal/explain"
	"github.com/sockkit/sockkit/tcp"
	"github.com/sockkit/sockkit/trace"
)

// visit is one client of handshake listen.
type visit struct {
	*answering
	conn  net.Conn
	id    trace.ID
	began time.Time

	x        handshake.Exchange
	findings []handshake.Finding // of the request and of our answer
	asked    []handshake.Finding // of the request alone
	dropped  bool                // closed without an answer
}

// client answers one client, and closes its connection.
func (a *answering) client(ctx context.Context, conn net.Conn) error {
	conn = tcp.Trace(conn, a.listening.opener.Tracer, trace.Server, 0)
	defer func() { conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	remote := conn.RemoteAddr()
	if a.config != nil {
		secured, err := a.secure(ctx, conn)
		if err != nil {
			a.listening.refused(remote, "tls", tcp.Reason(err))
			return failed("handshake listen", a.address, stoppedBy(ctx, err))
		}
		conn = secured
	}
	v := &visit{answering: a, conn: framed(conn), id: traceID(conn), began: time.Now()}
	failure := v.answer(ctx)
	if signal, ok := context.Cause(ctx).(stopped); ok {
		return signal
	}
	return v.result(failure)
}

func (a *answering) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.limit(), &tcp.TimeoutError{After: a.limit(), By: "-w"})
	defer cancel()
	return tcp.ServerTLS(ctx, conn, a.config, a.listening.opener.Tracer)
}

// answer reads the request, shows it and answers it. The error is the
// connection's.
func (v *visit) answer(ctx context.Context) error {
	_ = v.conn.SetDeadline(v.began.Add(v.limit()))
	r := &handshake.Reader{Source: v.conn}
	req := &handshake.Head{}
	err := r.ReadRequest(req)
	v.x.Request = req
	if err == nil {
		v.x.Early = append([]byte(nil), r.Rest()...)
	}
	emitHead(v.tracer, v.id, trace.In, req, req.Raw)
	failure := timedOut(ctx, (&shake{}).plain(err), v.limit())
	v.asked = v.check(&handshake.Exchange{Request: req, Early: v.x.Early}, failure)
	reply, broken := v.answering.answer.reply(req)
	if isTimeout(failure) && v.answering.answer.bent.Status == 0 {
		(&handshake.Bend{Status: 408}).Apply(reply.head)
	}
	if len(req.Raw) == 0 || failure != nil && !isTimeout(failure) {
		reply = nil // nobody is there to read it
	}
	v.mu.Lock()
	if reply != nil && v.edit != nil && ctx.Err() == nil {
		_ = v.conn.SetDeadline(time.Time{}) // a person takes time
		reply = v.ask(ctx, reply, broken)
	}
	v.judge(reply, failure)
	v.show()
	v.mu.Unlock()
	if reply == nil {
		return failure
	}
	if err := v.send(r, reply); failure == nil {
		return err
	}
	return failure
}

// check holds what is known against the rules.
func (v *visit) check(x *handshake.Exchange, failure error) []handshake.Finding {
	findings := handshake.Check(x)
	if isTimeout(failure) {
		explain.Late(findings, v.limit())
	}
	return findings
}

// ask lets a person change the answer. The request is shown before.
func (v *visit) ask(ctx context.Context, reply *reply, broken *handshake.Finding) *reply {
	v.findings = v.asked
	v.show()
	v.findings = nil
	edited := v.edit.edit(ctx, reply, broken)
	v.dropped = edited == nil
	return edited
}

// judge holds both heads against the rules and records what was found.
func (v *visit) judge(reply *reply, failure error) {
	if reply != nil {
		v.x.Response = asSent(reply.head.AppendTo(nil), true)
	}
	for _, f := range v.check(&v.x, failure) {
		if f.Part != handshake.InRefusal || f.Level == handshake.Must { // what else there is to say of our own refusals is meant for clients
			v.findings = append(v.findings, f)
		}
	}
	emitFindings(v.tracer, v.id, v.findings)
}

// show prints what came and what is answered, in one piece.
func (v *visit) show() {
	if v.common.json || v.quiet {
		return
	}
	lines := []string{"── " + remoteName(v.conn) + " ──"}
	lines = append(lines, explain.With(&v.x, v.findings, v.showSecrets).Served(v.words(v.Streams))...)
	if v.dropped {
		lines = append(lines, "It gets no answer.")
	}
	_ = printLines(v.Out, append(lines, ""))
}

// remoteName is who is at the other end.
func remoteName(conn net.Conn) string {
	if name := conn.RemoteAddr().String(); name != "" && name != "@" {
		return name
	}
	return "a client"
}

// send sends the answer, and closes the connection as it is due.
func (v *visit) send(r *handshake.Reader, reply *reply) error {
	_ = v.conn.SetDeadline(time.Now().Add(v.limit()))
	wire := reply.wire()
	emitHead(v.tracer, v.id, trace.Out, v.x.Response, reply.head.AppendTo(nil))
	if _, err := v.conn.Write(wire); err != nil {
		v.tracer.Emit(v.id, trace.UpgradeFailed{Side: trace.Server, Status: v.x.Response.Status, Error: tcp.Reason(err)})
		return err
	}
	if v.x.Response.Status != 101 {
		v.tracer.Emit(v.id, trace.UpgradeFailed{Side: trace.Server, Status: v.x.Response.Status, Error: v.why()})
		v.drain(r)
		return nil
	}
	c := &shake{x: v.x, target: string(v.x.Request.Target), began: v.began}
	v.tracer.Emit(v.id, c.upgrade(trace.Server))
	v.keep(r)
	return nil
}

// why is the reason for a refusal.
func (v *visit) why() string {
	if len(v.asked) > 0 {
		return v.asked[0].Summary
	}
	return "it was asked for by hand"
}

// keep holds the connection until the client closes or --hold is over, says
// nothing, and closes it with 1000.
func (v *visit) keep(r *handshake.Reader) {
	_ = v.conn.SetReadDeadline(time.Now().Add(time.Duration(v.hold)))
	var b [1024]byte
	for {
		n, err := r.Read(b[:])
		if err != nil || b[0]&0x0f == 8 && n > 0 {
			break
		}
	}
	v.tracer.Emit(v.id, trace.WSClose{Dir: trace.Out, Code: 1000, Title: "Normal Closure"})
	if _, err := v.conn.Write([]byte{0x88, 2, 0x03, 0xe8}); err == nil {
		v.drain(r)
	}
}

// drain ends our half and reads what still comes, a little while, so that a
// reset does not take the answer away from the client.
func (v *visit) drain(r *handshake.Reader) {
	_ = tcp.CloseWrite(v.conn)
	_ = v.conn.SetReadDeadline(time.Now().Add(closeWait))
	_, _ = io.CopyN(io.Discard, r, 1<<20)
}

// result is the error that says what the client did wrong.
func (v *visit) result(failure error) error {
	what := fmt.Sprintf("handshake listen %s: %s", v.address, remoteName(v.conn))
	switch {
	case isTimeout(failure):
		return hinted(failed("handshake listen", v.address, failure), v.asked)
	case handshake.Broken(v.asked):
		return found(what, v.asked)
	}
	return failed("handshake listen", v.address, failure)
}
