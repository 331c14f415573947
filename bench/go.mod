module github.com/sockkit/sockkit/bench

go 1.26.0
