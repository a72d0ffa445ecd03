# Targets for building and checking perfd; `make help` lists them.

export CGO_ENABLED ?= 0
FUZZTIME ?= 10s
BENCH ?= .
UI := web/ui

.DEFAULT_GOAL := help
.PHONY: help build test odoo-test race lint fuzz bench compare load bench-proxy bench-cache golden ui-check deploy-check browser demo ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## the binary, dist/perfd
	go build -trimpath -o dist/perfd ./cmd/perfd

test: ## install what the tests lack, then run them
	@scripts/ensure.sh go postgresql iproute lab
	@go test -timeout 30m ./...

odoo-test: ## client, recording and replay against a real Odoo: make odoo-test ODOO_URL='http://login:password@host:8069/?db=name'
	@: $${ODOO_URL:?is not set: http://login:password@host:8069/?db=name, an administrator of a database for tests}
	@ODOO_URL="$$ODOO_URL" go test -count=1 -tags odoo -run Odoo ./client
	@ODOO_URL="$$ODOO_URL" go test -count=1 -tags odoo -run RunningOdoo ./cmd/perfd

# What runs perfd beside real servers for long, or up to its memory's limit, or only computes, is left to `make test`: TestLive and TestWatchPlayed go through the same
# code under the race detector.
LONG := ^(TestWatch|TestWatchFaults|TestWatchStalled|TestWatchKilled|TestWatchLogRotated|TestWatchHalfRequests|TestRecordLive|TestReplayOfRealTryton|TestLiveProxy|TestLivePostgresLog|TestTrytond|TestProxyLive|TestBytes|TestKilled|TestPostingsFindAll|TestDegraded|TestSameAnswerFromEqualRecordings|TestVerdictsAreRightOftenEnough|TestTheTailAlone|TestAnyClaimAtAll)$$

race: ## the tests under the race detector (needs a C compiler)
	@scripts/ensure.sh go postgresql iproute lab
	CGO_ENABLED=1 go test -race -timeout 30m -skip '$(LONG)' ./...

lint: ## formatting, go vet, golangci-lint
	@scripts/ensure.sh golangci-lint
	@scripts/lint.sh

fuzz: ## each fuzz test for FUZZTIME (10s)
	@scripts/fuzz.sh $(FUZZTIME)

bench: ## benchmarks that match BENCH
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

compare: ## speed beside tshark, and memory on 1 GB, as whole processes
	@scripts/compare.sh

load: ## what the tap costs beside tcpdump, and what it costs the traffic (needs root)
	@scripts/load.sh -rounds 2
	@scripts/load.sh -effect
	@scripts/load.sh -postgres -effect

bench-proxy: ## what the HTTP proxy costs, by wrk
	@scripts/proxy.sh

bench-cache: ## what the cache costs, beside go-redis and otter (needs redis-server)
	@scripts/ensure.sh go lab
	go test -run '^$$' -bench 'Memory|Tiered|Loader|New|Redis' -benchmem -count 3 ./cache
	go test -run '^$$' -bench HitRatio -benchtime 1x ./cache

golden: ## rewrite the golden files; read the diff afterwards
	@go test -count=1 $$(grep -rlE --include='*_test.go' 'flag\.Bool\("update"' . | xargs -r -n1 dirname | sort -u) -update

ui-check: ## types and unit tests of the pages
	@scripts/ensure.sh node ui
	cd $(UI) && npx --no-install tsc --noEmit
	cd $(UI) && npm run --silent test

deploy-check: ## the systemd unit by systemd-analyze, the Helm chart by helm
	@scripts/ensure.sh go systemd helm
	@scripts/deploy.sh

browser: build ## visit every page of `perfd demo` in Chromium
	@scripts/ensure.sh node ui chromium
	@scripts/browser.sh

demo: ## the bundled recording in the browser
	go run ./cmd/perfd demo

ci: ## all that has to pass
	@.ci/run

clean: ## remove what the targets made
	rm -rf dist .tools $(UI)/node_modules
