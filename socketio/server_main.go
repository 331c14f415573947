package socketio

import (
	"context"
	"time"
)

// The methods of the main namespace.

func (s *Server) main() *Namespace { return s.Of("/") }

// Use is that of the main namespace; so are the methods that follow.
func (s *Server) Use(middleware func(*Socket) error)        { s.main().Use(middleware) }
func (s *Server) OnConnection(f func(*Socket))              { s.main().OnConnection(f) }
func (s *Server) OnServer(event string, fn any)             { s.main().OnServer(event, fn) }
func (s *Server) Sockets() []*Socket                        { return s.main().Sockets() }
func (s *Server) Socket(id string) *Socket                  { return s.main().Socket(id) }
func (s *Server) Emit(event string, args ...any) error      { return s.main().Emit(event, args...) }
func (s *Server) Send(args ...any) error                    { return s.main().Send(args...) }
func (s *Server) To(rooms ...string) *BroadcastOperator     { return s.main().To(rooms...) }
func (s *Server) In(rooms ...string) *BroadcastOperator     { return s.main().In(rooms...) }
func (s *Server) Except(rooms ...string) *BroadcastOperator { return s.main().Except(rooms...) }
func (s *Server) Local() *BroadcastOperator                 { return s.main().Local() }
func (s *Server) Volatile() *BroadcastOperator              { return s.main().Volatile() }
func (s *Server) Compress(on bool) *BroadcastOperator       { return s.main().Compress(on) }
func (s *Server) Timeout(d time.Duration) *BroadcastOperator {
	return s.main().Timeout(d)
}
func (s *Server) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	return s.main().EmitWithAck(ctx, event, args...)
}
func (s *Server) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	return s.main().FetchSockets(ctx)
}
func (s *Server) SocketsJoin(rooms ...string) error  { return s.main().SocketsJoin(rooms...) }
func (s *Server) SocketsLeave(rooms ...string) error { return s.main().SocketsLeave(rooms...) }
func (s *Server) DisconnectSockets(close bool) error { return s.main().DisconnectSockets(close) }
func (s *Server) ServerSideEmit(event string, args ...any) error {
	return s.main().ServerSideEmit(event, args...)
}
func (s *Server) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	return s.main().ServerSideEmitWithAck(ctx, event, args...)
}
