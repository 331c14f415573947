package demo

// eventsStory is what the steps of the lesson on events share.
type eventsStory struct {
	socketIO
	orders chan string // what was ordered
}

func eventsLesson() Lesson {
	f := &eventsStory{newSocketIO(), make(chan string, 1)}
	return Lesson{
		Name:  "events",
		Title: "Socket.IO's events, acknowledgements and bytes",
		Lab:   eventsLab,
		Intro: `
Engine.IO (sockkit demo fallback) moves messages. {Socket.IO} says what is in them: {events}, with a name and with
arguments. Whoever has sent one may want to know what became of it.` + "\n\n" + bySocketIO,
		Steps: []Step{
			{"A name and arguments", `
An event has a name, which the two sides have agreed on, and any number of arguments: texts, numbers, lists, objects. It
is sent and forgotten. The client sends one, and the server sends another one back.`, f.events},
			{"Acknowledgements, both ways", `
Whoever sends an event can ask for an {acknowledgement}, by a number that the answer repeats. First the client asks the
server for a sum, then the server asks the client for its name.`, f.acknowledge},
			{"An acknowledgement that is late", `
The client has no need to answer. So the server sets a limit, 0.2 seconds, and the client lets them pass. Then it answers
after all.`, f.late},
			{"Bytes among the arguments", `
JSON, the text in which arguments travel, has no bytes. An argument that holds some, however deep, is sent in several
messages. The client sends the first bytes of a picture, over a WebSocket and then, as another client, by polling.`, f.attachments},
			{"One question", `
A client orders a coffee and asks for an acknowledgement. While it waits for it the connection breaks.`, f.question},
		},
		Try: []Exercise{
			{`
Events by hand. Run the first command in one terminal and the second in another: a line is an event, its name and then
its arguments. -vv shows the packets of Socket.IO, -vvv those of Engine.IO.`, []string{
				"sockkit listen -k --broadcast=all sio://:3000",
				"sockkit dial -vvv sio://localhost:3000",
			}},
			{`
Acknowledgements, and bytes. With --echo the server answers each event by its own arguments.`, []string{
				"sockkit listen -k --echo sio://:3000",
				"sockkit dial -vv sio://localhost:3000 --ack -x 'add 2 3'",
				`sockkit dial -vvv sio://localhost:3000 --ack -x 'upload cat.png {"_base64":"iVBORw0KGgo="}'`,
			}},
		},
	}
}
