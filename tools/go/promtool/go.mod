// promtool, which checks and tests alerting rules. Pins every module that goes into the build.
module doublegate.dev/tools/promtool

go 1.26.7

require github.com/prometheus/prometheus v0.316.0
