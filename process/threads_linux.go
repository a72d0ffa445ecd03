package process

import "context"

type threads struct{}

func openThreads(Config, *table) *threads { return &threads{} }

func (*threads) stats() Threads { return Threads{Source: ThreadsOff} }

func (*threads) run(context.Context) {}

func (*threads) close() {}

func (*threads) watch([]int32) {}

func (*threads) on() bool { return false }
