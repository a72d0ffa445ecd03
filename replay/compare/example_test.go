package compare_test

import (
	"fmt"

	"github.com/perfd/perfd/replay/compare"
)

// A hundred calls are sent to A and to B in five rounds, in turn. B takes a tenth less.
func Example() {
	study := compare.New(compare.Config{})
	for round := 1; round <= 5; round++ {
		arms := []compare.Arm{compare.A, compare.B}
		if round%2 == 0 {
			arms[0], arms[1] = arms[1], arms[0]
		}
		for _, arm := range arms {
			pass := study.Begin(arm, round)
			for call := range 100 {
				took := 0.010 + 0.001*float64((call*round)%7)
				if arm == compare.B {
					took *= 0.9
				}
				pass.Add(compare.Sample{Seq: int64(call), Session: "s1", Method: "res.partner.read", Seconds: took})
			}
			pass.End()
		}
	}
	c := study.Result()
	fmt.Printf("%s by %.0f %%\n", c.Overall.Verdict, -100*c.Overall.Typical.Delta)

	threshold, err := compare.ParseThreshold("p50(res.partner.*) > +5%")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(threshold.Check(c).State)
	// Output:
	// faster by 10 %
	// kept
}
