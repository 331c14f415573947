package main

import (
	"context"
	"os"
)

func Example() {
	if err := run(context.Background(), os.Stdout); err != nil {
		panic(err)
	}
	// Output:
	// <nil>: refused: a token is needed
	// 7: refused: a token is needed
	// abracadabra: refused: Authentication error map[hint:log in again retry:true]
	// open sesame: welcome, Ali Baba
}
