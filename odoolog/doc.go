// Package odoolog reads what an application server says of its own requests and jobs.
//
// Odoo ends the log line of each request with the number of statements that it ran. That number was counted
// where the statements were made, so it checks what perfd found by another way: Agreement compares the two.
package odoolog
