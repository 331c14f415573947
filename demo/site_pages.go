package demo

import (
	"bytes"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
)

// view is what a page's template is given.
type view struct {
	Title    string
	Name     string // of the lesson or the application
	Of       string // what a tab says it is about
	Lessons  []Lesson
	Apps     []application
	Lesson   *Lesson
	App      *application
	Lab      template.HTML // the lab's part of the page
	Module   bool          // it has a script of its own
	Previous *Lesson
	Next     *Lesson
}

func (s *Site) index(w http.ResponseWriter, _ *http.Request) {
	s.render(w, "index.html", view{Title: "sockkit demo"})
}

func (s *Site) lesson(w http.ResponseWriter, r *http.Request) {
	l, ok := Find(r.PathValue("name"))
	if !ok {
		s.missing(w, "lesson")
		return
	}
	v := view{Title: l.Title, Name: l.Name, Of: l.Name, Lesson: &l}
	l.Intro = strings.Replace(l.Intro, traceIntro, traceOnPage, 1)
	lessons := Lessons()
	for i := range lessons {
		if lessons[i].Name == l.Name && i > 0 {
			v.Previous = &lessons[i-1]
		}
		if lessons[i].Name == l.Name && i+1 < len(lessons) {
			v.Next = &lessons[i+1]
		}
	}
	v.Lab = s.fragment(l.Name)
	_, err := fs.Stat(siteFiles, "site/lessons/"+l.Name+".js")
	v.Module = err == nil
	s.render(w, "lesson.html", v)
}

func (s *Site) app(w http.ResponseWriter, r *http.Request) {
	a, ok := findApp(r.PathValue("name"))
	if !ok {
		s.missing(w, "application")
		return
	}
	s.render(w, "app.html", view{Title: a.Title, Name: a.Name, Of: "app/" + a.Name, App: &a})
}

func (s *Site) missing(w http.ResponseWriter, what string) {
	w.WriteHeader(http.StatusNotFound)
	s.render(w, "missing.html", view{Title: "There is no such " + what})
}

// fragment is a lesson's lab, as it stands in a file of its own.
func (s *Site) fragment(name string) template.HTML {
	if s.pages.Lookup(name+".html") == nil {
		return ""
	}
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name+".html", nil); err != nil {
		return template.HTML(template.HTMLEscapeString(err.Error()))
	}
	return template.HTML(b.String())
}

func (s *Site) render(w http.ResponseWriter, name string, v view) {
	v.Lessons, v.Apps = Lessons(), applications()
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the browser may have left
}

// prose makes paragraphs of a text as it stands in lessons: a {word} in braces
// is a term.
func prose(text string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		words := template.HTMLEscapeString(strings.Join(strings.Fields(paragraph), " "))
		b.WriteString("<p>" + strings.NewReplacer("{", "<dfn>", "}", "</dfn>").Replace(words) + "</p>\n")
	}
	return template.HTML(b.String())
}
