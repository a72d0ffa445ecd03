// Package replay sends captured calls to a server again, in the sessions, the order and at the times in which they were
// made, and says of each how long it took and whether the answer was the recorded one.
//
// A Runner reads a load call by call. What the policy does not let pass is counted and left out. The rest waits in its
// session: for its time, for the answers that came before it in the recording, for the ids of records that other calls
// make, and for the session's log-in. Three durations come of it: Result.Latency from the time a call was due, so that
// a server which stalls is charged for all that it made wait; Result.Service from the time it was sent; and
// Result.Wait, for ids and log-ins, which is no part of either.
//
// The generator judges itself too: Result.Late is by how much it missed the moment at which it could have sent, and
// Report.Invalid says when that makes the run worthless.
package replay
