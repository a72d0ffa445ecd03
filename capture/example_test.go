package capture_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/fixtures/synth"
)

// shout is a protocol that claims everything and prints it.
type shout struct{}

func (shout) Claims(capture.Conn, []byte) capture.Verdict { return capture.FromClient }
func (shout) NewStream(c capture.Conn) capture.Stream {
	fmt.Println(c.Client, "asks", c.Server)
	return shout{}
}
func (shout) Chunk(c capture.Chunk)          { fmt.Printf("%s: %s\n", c.Dir, c.Data) }
func (shout) Fin(d capture.Dir, _ time.Time) { fmt.Printf("%s: end\n", d) }
func (shout) Close(time.Time)                { fmt.Println("closed") }

func Example() {
	pcap := synth.NewDialogue(netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:8069"),
		time.Unix(1_700_000_000, 0), time.Millisecond).
		Open().Client([]byte("hello?")).Server([]byte("hello!")).Close().Recording().Pcap()

	f, err := capture.NewFile(bytes.NewReader(pcap))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	e := capture.NewEngine(capture.Config{}, shout{})
	if err := f.Run(context.Background(), e); err != nil {
		fmt.Println(err)
	}
	e.Flush()
	fmt.Println(e.Stats().Delivered, "bytes")
	// Output:
	// 10.0.0.1:40000 asks 10.0.0.2:8069
	// to server: hello?
	// to client: hello!
	// to server: end
	// to client: end
	// closed
	// 12 bytes
}
