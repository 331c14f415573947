//go:build unix

package udp_test

import (
	"context"
	"fmt"
	"time"

	"github.com/sockkit/sockkit/udp"
)

// A port that nobody is bound to refuses, one that is mute does not.
func ExampleDialer_Probe() {
	ctx := context.Background()
	mute, err := udp.Listen(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	address := mute.LocalAddr().String()
	answer, err := (&udp.Dialer{}).Probe(ctx, "udp", address, 20*time.Millisecond)
	fmt.Println(answer, err)
	mute.Close()
	answer, err = (&udp.Dialer{}).Probe(ctx, "udp", address, 10*time.Second)
	fmt.Println(answer, err)
	// Output:
	// silent <nil>
	// refused <nil>
}
