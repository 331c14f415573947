//go:build !unix

package cmd

func ignorePipe() {}
