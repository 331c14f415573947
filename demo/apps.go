package demo

// application is one of the small programs that stand on the page, too.
type application struct {
	Name  string
	Title string
	Intro string
	// open makes it, and serves it below the visit's app/.
	open func(*Stage) (Actions, error)
}

// applications returns those there are, in the order to look at them.
func applications() []application { return nil }

func findApp(name string) (application, bool) {
	for _, a := range applications() {
		if a.Name == name {
			return a, true
		}
	}
	return application{}, false
}
