// Empty is the bare Go program: what a start costs at the least.
package main

func main() {}
