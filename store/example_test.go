package store_test

import (
	"context"
	"fmt"
	"log"

	"github.com/perfd/perfd/store"
	"github.com/perfd/perfd/store/storetest"
)

// A recording is written as the analyzer delivers it, finished with its summary, and can then be read.
func Example() {
	sample := storetest.Generate(storetest.SampleConfig{Calls: 50})
	w, err := store.Create(store.Memory, sample.Dictionary, store.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := sample.WriteTo(w); err != nil {
		log.Fatal(err)
	}
	if err := w.Finish(store.Source{Files: []string{"tap.pcap"}}, sample.Summary); err != nil {
		log.Fatal(err)
	}
	r, err := w.Reader()
	if err != nil {
		log.Fatal(err)
	}
	slowest, total, err := r.Calls(context.Background(), store.Filter{Users: []string{"user01"}}, store.Page{Sort: "duration", Desc: true, Limit: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("user01 made", total, "calls; the slowest was", slowest[0].Name)
	// Output: user01 made 22 calls; the slowest was product.product.web_search_read
}
