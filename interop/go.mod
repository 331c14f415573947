module github.com/sockkit/sockkit/interop

go 1.26
