package main

import "testing"

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values              []float64
		median, least, most float64
	}{
		{nil, 0, 0, 0},
		{[]float64{7}, 7, 7, 7},
		{[]float64{9, 1, 5}, 5, 1, 9},
		{[]float64{8, 2, 4, 6}, 5, 2, 8},
	} {
		values := append([]float64(nil), c.values...)
		median, least, most := spread(values)
		if median != c.median || least != c.least || most != c.most {
			t.Errorf("spread(%v) = %v, %v, %v; want %v, %v, %v", c.values, median, least, most, c.median, c.least, c.most)
		}
	}
}
