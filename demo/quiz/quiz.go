package quiz

import (
	"errors"
	"math/rand/v2"
)

// Quiz is running servers, and the state of the reader's answers.
type Quiz struct {
	Questions []Asked
	// Sound are servers of the same kinds that break no rule, to compare with:
	// one of WebSocket and one of Socket.IO.
	Sound []string

	house *house
}

// Asked is a question of a quiz.
type Asked struct {
	Question
	Number  int    // from 1
	Address string // ws://127.0.0.1:43117/

	state state
}

// state is what became of a question.
type state int

const (
	open   state = iota
	solved       // the reader's answer was right
	given        // the reader has given up
)

// Choice says which questions a quiz asks.
type Choice struct {
	Only []int  // their numbers; nil is all
	Seed uint64 // shuffles them before they are numbered; 0 does not
}

// Choose returns the questions of a choice, without their servers.
func Choose(c Choice) ([]Asked, error) {
	list := Questions()
	if c.Seed != 0 {
		r := rand.New(rand.NewPCG(c.Seed, 0))
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	asked := make([]Asked, len(list))
	for i, q := range list {
		asked[i] = Asked{Question: q, Number: i + 1}
	}
	if c.Only == nil {
		return asked, nil
	}
	var only []Asked
	for _, n := range c.Only {
		if n < 1 || n > len(asked) {
			return nil, &UnknownError{n, len(asked)}
		}
		only = append(only, asked[n-1])
	}
	return only, nil
}

// Start starts the servers of a choice, each on a free port of the loopback
// address. Close ends them.
func Start(c Choice) (*Quiz, error) {
	list, err := Choose(c)
	if err != nil {
		return nil, err
	}
	q := &Quiz{Questions: list, house: newHouse()}
	if err := q.serve(); err != nil {
		return nil, errors.Join(err, q.Close())
	}
	return q, nil
}

func (q *Quiz) serve() error {
	for _, start := range []starter{(&websocket{}).start, soundSocketIO} {
		at, err := start(q.house)
		if err != nil {
			return err
		}
		q.Sound = append(q.Sound, at)
	}
	for i := range q.Questions {
		at, err := q.Questions[i].start(q.house)
		if err != nil {
			return err
		}
		q.Questions[i].Address = at
	}
	return nil
}

// Close ends all servers and their connections, and gives the ports back.
func (q *Quiz) Close() error { return q.house.Close() }

// Score counts the questions that were answered rightly.
func (q *Quiz) Score() (right int) {
	for i := range q.Questions {
		if q.Questions[i].state == solved {
			right++
		}
	}
	return right
}

// asked finds a question by its number.
func (q *Quiz) asked(number int) *Asked {
	for i := range q.Questions {
		if q.Questions[i].Number == number {
			return &q.Questions[i]
		}
	}
	return nil
}
