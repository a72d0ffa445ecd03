package config_test

import (
	"fmt"

	"github.com/perfd/perfd/config"
)

func ExampleLoad() {
	c, problems := config.Load(config.Input{
		Env:   []string{"PERFD_RETENTION_AGE=7d", "PERFD_MEMORY=lots"},
		Flags: map[string][]string{"store": {"erp.db"}},
	})
	fmt.Println(c.Store, "from", c.From("store"))
	fmt.Println(c.Retention.Age, "from", c.From("retention.age"))
	fmt.Println(problems)
	// Output:
	// erp.db from --store
	// 168h0m0s from PERFD_RETENTION_AGE
	// [PERFD_MEMORY: memory must be a size such as 256MiB or 2GB, not "lots"]
}
