package admission

import (
	"cmp"
	"container/list"
	"time"
)

// The queue is fair by deficit round robin, with the time of a slot as the cost. Each caller has a credit. A run is paid from
// the credit when it starts, with its expected cost, and the difference to the real cost is settled when it ends. The next slot
// goes to the first caller in the ring with credit, which then moves to the end of the ring. If no waiting caller has credit, all
// callers get the same amount. So callers whose queues never run empty get equal slot time, whatever the duration of their runs.
//
// The expected cost is the mean of the caller's recent runs, or of all runs if the caller has none. The wall limit would charge a
// print as much as an endless loop until the run has ended.
//
// As in FQ-CoDel (RFC 8290), a newcomer (a caller without runs and debts) goes before the ring for one run, so its run waits for no
// other caller's queue. While callers in the ring wait, at most one of two consecutive slots goes to a newcomer. So a stream of new
// callers, such as the addresses of a large network, does not starve the ring.
//
// Debts last while runs wait. They are forgiven when the queue is empty, because no run is then short of slots.

const (
	// quantum is the maximum credit after a refill, and the minimum cost of a run.
	quantum = 10 * time.Millisecond

	// maxResting is the maximum number of callers without a run that are kept for their debts.
	maxResting = 1024
)

// line is the queue of a Gate. The lock of the Gate guards it.
type line struct {
	waiting int // number of waiting tickets
	callers map[string]*caller

	fresh   *list.List // of *caller: newcomers with waiting runs
	ring    *list.List // of *caller: other callers with waiting runs
	resting *list.List // of *caller: no waiting runs, but a running one or a debt; oldest first

	newcomer *caller // the fresh caller that the last slot went to, or nil
}

func newLine() line {
	return line{callers: map[string]*caller{}, fresh: list.New(), ring: list.New(), resting: list.New()}
}

// caller is the state of a Caller that has a run or a debt.
type caller struct {
	Caller
	waiting list.List // of *ticket
	running int
	credit  time.Duration
	hold    mean // how long its runs hold a slot

	in *list.List // one of the lists of the line, or nil
	at *list.Element
}

// able reports whether the caller may start one more run now.
func (c *caller) able() bool { return c.Concurrency <= 0 || c.running < c.Concurrency }

// ticket is a run that waits or holds a slot.
type ticket struct {
	of      *caller
	turn    chan error // for a run that waits: receives nil when the run gets a slot
	started bool       // without waiting
	place   *list.Element
	charged time.Duration
}

// caller returns the state of a caller, which it creates if necessary.
func (l *line) caller(of Caller) *caller {
	c := l.callers[of.ID]
	if c == nil {
		c = &caller{}
		l.callers[of.ID] = c
	}
	c.Caller = of // the bound may have changed
	return c
}

// enter puts a run of a caller at the end of the caller's queue.
func (l *line) enter(c *caller) *ticket {
	t := &ticket{of: c, turn: make(chan error, 1)}
	t.place = c.waiting.PushBack(t)
	l.waiting++
	switch {
	case c.waiting.Len() > 1:
	case c.running == 0 && c.credit >= 0 && c.in == nil:
		l.move(c, l.fresh)
	default:
		l.move(c, l.ring)
	}
	return t
}

// leave removes a waiting run.
func (l *line) leave(t *ticket) {
	t.of.waiting.Remove(t.place)
	l.waiting--
	l.tidy(t.of)
	l.settle()
}

// next starts the next run and returns it, or nil if no waiting run may start.
func (l *line) next(hold mean) *ticket {
	c := firstAble(l.fresh)
	if c == nil || l.newcomer != nil {
		// A newcomer that has had its run does not go before the next newcomer.
		if turn := l.inTurn(); turn != nil && (c == nil || turn != l.newcomer) {
			c = turn
		}
	}
	if c == nil {
		return nil
	}
	if l.newcomer = nil; c.in == l.fresh {
		l.newcomer = c
	}
	t := c.waiting.Remove(c.waiting.Front()).(*ticket)
	t.charged = l.start(c, hold)
	l.waiting--
	l.settle()
	return t
}

// inTurn returns the caller in the ring that gets the next slot, or nil if there is none.
func (l *line) inTurn() *caller {
	if firstAble(l.ring) == nil {
		return nil
	}
	for {
		most := time.Duration(-1 << 63)
		for e := l.ring.Front(); e != nil; e = e.Next() {
			c := e.Value.(*caller)
			if !c.able() {
				continue
			}
			if c.credit >= 0 {
				return c
			}
			most = max(most, c.credit)
		}
		l.refill((-most + quantum - 1) / quantum * quantum)
	}
}

// refill gives credit to all callers in debt, up to a quantum.
func (l *line) refill(credit time.Duration) {
	for _, callers := range []*list.List{l.ring, l.resting} {
		for e := callers.Front(); e != nil; {
			c := e.Value.(*caller)
			e = e.Next() // tidy may remove this element
			if c.credit < 0 {
				c.credit = min(c.credit+credit, quantum)
				l.tidy(c)
			}
		}
	}
}

// start charges a caller for a run and returns the cost. The caller goes to the end of the ring.
func (l *line) start(c *caller, hold mean) (cost time.Duration) {
	cost = max(cmp.Or(c.hold.value, hold.value), quantum)
	if l.waiting == 0 {
		c.credit = 0
	}
	c.credit -= cost
	c.running++
	if c.waiting.Len() > 0 {
		l.move(c, l.ring)
	}
	l.tidy(c)
	return cost
}

// end replaces the expected cost of a run by its real cost. held is how long the run held its slot.
func (l *line) end(t *ticket, held time.Duration) {
	t.of.running--
	t.of.credit -= max(held, quantum) - t.charged
	l.tidy(t.of)
	l.settle()
}

// tidy moves a caller without a waiting run to resting, or forgets it. It keeps resting within maxResting.
func (l *line) tidy(c *caller) {
	switch {
	case c.waiting.Len() > 0:
		return
	case c.running > 0 || c.credit < 0 && l.waiting > 0:
		if c.in != l.resting {
			l.move(c, l.resting)
		}
	default:
		l.forget(c)
	}
	for e := l.resting.Front(); e != nil && l.resting.Len() > maxResting; {
		oldest := e.Value.(*caller)
		if e = e.Next(); oldest.running == 0 {
			l.forget(oldest)
		}
	}
}

// settle forgives all debts if no run waits.
func (l *line) settle() {
	if l.waiting > 0 {
		return
	}
	l.newcomer = nil
	for e := l.resting.Front(); e != nil; {
		c := e.Value.(*caller)
		if e = e.Next(); c.running == 0 {
			l.forget(c)
		}
	}
}

func (l *line) forget(c *caller) {
	l.move(c, nil)
	delete(l.callers, c.ID)
}

// move moves a caller to the end of a list, or removes it from its list if to is nil.
func (l *line) move(c *caller, to *list.List) {
	if c.in != nil {
		c.in.Remove(c.at)
	}
	c.in, c.at = to, nil
	if to != nil {
		c.at = to.PushBack(c)
	}
}

// all returns all waiting runs.
func (l *line) all() (tickets []*ticket) {
	for _, callers := range []*list.List{l.fresh, l.ring} {
		for e := callers.Front(); e != nil; e = e.Next() {
			for w := e.Value.(*caller).waiting.Front(); w != nil; w = w.Next() {
				tickets = append(tickets, w.Value.(*ticket))
			}
		}
	}
	return tickets
}

func firstAble(callers *list.List) *caller {
	for e := callers.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*caller); c.able() {
			return c
		}
	}
	return nil
}
