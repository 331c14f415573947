package ws

import (
	"errors"
	"slices"
)

// farthest reads DEFLATE data (RFC 1951) up to its end, and returns the largest
// distance that it refers back to. It decodes nothing else: an inflater with a
// window of 32 KiB does not notice that a sender exceeds a smaller one.
func farthest(data []byte) (most int, err error) {
	b := &bitReader{data: data}
	defer func() {
		if recover() != nil {
			err = errors.New("the data ends too soon, or is no DEFLATE")
		}
	}()
	for b.at < 8*len(data) {
		last, kind := b.take(1), b.take(2)
		switch kind {
		case 0:
			b.at = (b.at + 7) &^ 7
			n := b.take(16)
			b.take(16)
			b.at += 8 * n
		case 1:
			most = max(most, b.block(fixedLengths(), slices.Repeat([]int{5}, 30)))
		case 2:
			literals, distances := b.dynamic()
			most = max(most, b.block(literals, distances))
		}
		if last == 1 {
			b.at = (b.at + 7) &^ 7
		}
	}
	return most, nil
}

type bitReader struct {
	data []byte
	at   int
}

func (b *bitReader) take(n int) (v int) {
	for i := range n {
		v |= int(b.data[b.at/8]>>(b.at%8)&1) << i
		b.at++
	}
	return v
}

func fixedLengths() []int {
	return slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112), slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8))
}

// codes maps length<<16|code to the symbol, by canonical Huffman codes.
func codes(lengths []int) map[int]int {
	var counts, next [17]int
	for _, n := range lengths {
		if n > 0 {
			counts[n]++
		}
	}
	for n, code := 1, 0; n <= 15; n++ {
		code = (code + counts[n-1]) << 1
		next[n] = code
	}
	all := map[int]int{}
	for symbol, n := range lengths {
		if n > 0 {
			all[n<<16|next[n]] = symbol
			next[n]++
		}
	}
	return all
}

func (b *bitReader) symbol(table map[int]int) int {
	code := 0
	for n := 1; n <= 15; n++ {
		code = code<<1 | b.take(1)
		if s, ok := table[n<<16|code]; ok {
			return s
		}
	}
	panic("no symbol")
}

func (b *bitReader) dynamic() (literals, distances []int) {
	nl, nd, nc := b.take(5)+257, b.take(5)+1, b.take(4)+4
	lengths := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:nc] {
		lengths[i] = b.take(3)
	}
	table := codes(lengths)
	var all []int
	for len(all) < nl+nd {
		switch s := b.symbol(table); s {
		case 16:
			all = append(all, slices.Repeat(all[len(all)-1:], 3+b.take(2))...)
		case 17:
			all = append(all, make([]int, 3+b.take(3))...)
		case 18:
			all = append(all, make([]int, 11+b.take(7))...)
		default:
			all = append(all, s)
		}
	}
	return all[:nl], all[nl:]
}

func (b *bitReader) block(literals, distances []int) (most int) {
	l, d := codes(literals), codes(distances)
	for {
		s := b.symbol(l)
		switch {
		case s < 256:
			continue
		case s == 256:
			return most
		case s >= 265 && s < 285:
			b.take((s - 261) / 4)
		}
		s = b.symbol(d)
		distance := s + 1
		if s >= 4 {
			extra := (s - 2) / 2
			distance = (2+s%2)<<extra + 1 + b.take(extra)
		}
		most = max(most, distance)
	}
}
