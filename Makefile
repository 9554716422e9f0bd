# make demo shows the main job live, make test runs everything; both install the Debian packages that they lack (NO_INSTALL=1: they refuse).
.PHONY: build test demo sim soak lab bench fuzz clean help

build: ## the release binary, target/release/holdfast
	cargo build --release
test: ## format, lints, tests, simulation, labs (root; at most 25 minutes)
	scripts/test
demo: ## two directors, two real servers, one client, live (root; at most 90 s after the build)
	scripts/demo
sim: ## replay one seed of the simulation with its trace: make sim SEED=n
	HOLDFAST_SEED=$(or $(SEED),1) cargo test --release --test sim -- --nocapture replay
soak: ## new seeds for some time: make soak MINUTES=n
	HOLDFAST_SOAK_MINUTES=$(or $(MINUTES),10) cargo test --release --test sim -- --nocapture soak
lab: build ## only the labs: keepalived as peer, User Mode Linux for IPVS (root)
	scripts/deps lab ipvs && { tests/lab/run ns; rc=$$?; tests/lab/run ipvs && exit $$rc; }
bench: ## lateness of takeovers, memory, large files, a thousand routers, keepalived beside (root; about 15 minutes)
	scripts/bench
fuzz: ## random configurations, packets, news of the kernel and answers of servers for some time: make fuzz MINUTES=n
	FUZZ_MINUTES=$(or $(MINUTES),5) scripts/fuzz
clean: ## remove target/
	cargo clean
help: ## this list
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1@\2/p' Makefile | column -t -s@
