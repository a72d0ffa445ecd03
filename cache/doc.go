// Package cache keeps the answers of RPC servers so that they need not be asked twice, and never gives one user
// what another was told, nor what a write has made wrong.
//
// There are three back ends of one interface, Cache: Memory, Redis, which several processes share, and Tiered, one
// in front of the other. A Loader puts the work of a miss behind any of them: one load for all who wait for the
// same answer, stale answers while a new one is fetched, warming.
//
//	mem, err := cache.NewMemory(cache.MemoryConfig{})
//	loader := cache.NewLoader(mem, cache.LoaderConfig{})
//	scope, err := cache.NewScope(uid, context)
//	key, err := cache.NewKey(database, "res.partner", "search_read", scope, args)
//	value, err := loader.Load(ctx, key, cache.LoadOptions{}, func(ctx context.Context) ([]byte, error) {
//		return call(ctx)
//	})
//
// # Keys
//
// A Key says of which database, model and operation an answer is, for which user and context (Scope), and stands for
// the arguments by 128 bits of their canonical JSON. What is equal in all of that shares an entry, nothing else does.
//
// # Invalidation
//
// Each model has a generation, and an entry is of one: Cache.Invalidate begins the next one, which costs the same
// for one entry as for a million. A load that began before an invalidation cannot store its answer after it,
// because it stores it under the generation that it began in (Options.Generation). Redis counts generations for all
// processes that share it.
//
// # What a broken Redis costs
//
// Caching, never the answer: operations are bounded in time, a circuit breaker leaves a broken Redis alone, and a
// small memory stands in for it meanwhile. Invalidations that it missed reach it before anything is read from it
// again.
package cache
