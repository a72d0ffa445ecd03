package process_test

import (
	"fmt"

	"github.com/perfd/perfd/process"
)

func ExampleClassify() {
	title, ok := process.Classify([]byte("odoo: WorkerHTTP 4711"))
	fmt.Println(title.Kind, title.Role, ok)
	title, ok = process.Classify([]byte("/usr/bin/python3\x00/usr/bin/odoo\x00-c\x00/etc/odoo.conf\x00--db_password=secret\x00"))
	fmt.Println(title.Command, title.Role, title.Config, ok)
	// Output:
	// odoo http true
	// odoo main /etc/odoo.conf true
}
