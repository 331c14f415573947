package demo

// roomsStory is what the steps of the lesson on rooms share.
type roomsStory struct {
	socketIO
	changes chan string // of the rooms, as the server tells
}

// mostChanges bounds those that are kept; a lesson makes fewer.
const mostChanges = 256

func roomsLesson() Lesson {
	f := &roomsStory{newSocketIO(), make(chan string, mostChanges)}
	return Lesson{
		Name:  "rooms",
		Title: "Socket.IO's broadcasts, rooms and namespaces",
		Lab:   roomsLab,
		Intro: `
So far a server has talked with one client. Mostly it talks with many: to all of them, to all but the one who spoke, or to
some. {Socket.IO} has two ways to say who is meant. {Rooms} are sets of clients that the server makes as it likes, and
{namespaces} divide one server into several.` + "\n\n" + bySocketIO,
		Steps: []Step{
			{"To all, and to all but the sender", `
Ann, Bob and Eve are connected. Ann says something to all the others, and then the server says something to all.`, f.broadcast},
			{"Rooms", `
A {room} has a name, and exists while somebody is in it. Ann and Bob ask to be put into the kitchen, and Eve does not. The
server says something to the kitchen; then Bob leaves it, and the server says something to it again.`, f.rooms},
			{"Who keeps the rooms", `
The server can watch its rooms. A client connects, joins the garden, and vanishes.`, f.life},
			{"Namespaces", `
One connection carries several {namespaces}, each with handlers, rooms and ids of its own. Ann joins /admin beside the main
namespace, and asks for one that there is not.`, f.namespaces},
			{"One question", `
Ann is in the kitchen and in the garden, Bob is in the garden only, and Eve in neither.`, f.question},
		},
		Try: []Exercise{
			{`
A room full of people. Run the first command in one terminal and the second in several others: what one types all the
others get. With --broadcast=all the speaker gets it, too.`, []string{
				"sockkit listen -k --broadcast sio://:3000",
				"sockkit dial sio://localhost:3000",
			}},
			{`
Namespaces. The path is the namespace's name; listen serves them all.`, []string{
				"sockkit dial -vv sio://localhost:3000/chat -x 'message hello'",
				"sockkit inspect sio://localhost:3000/admin",
			}},
		},
	}
}
