package admission

import (
	"cmp"
	"container/list"
	"time"
)

// The queue is fair by deficit round robin, with the time of a slot as the cost. Each caller has a credit. A run is paid from
// the credit when it starts, with its expected cost, and the difference to the real cost is settled when it ends. The next slot
// goes to the first caller in the ring who has credit; whoever has had a slot goes to the end of the ring. If nobody who waits has
// credit, all callers get the same amount. So callers whose queues do not run empty get the same slot time, whatever their runs
// take.
//
// The expected cost is the mean of the caller's recent runs, or of all runs if the caller has none. The wall limit would charge a
// print as much as an endless loop until each has ended.
//
// As in FQ-CoDel (RFC 8290), a caller who has nothing here, neither a run nor a debt, goes before the ring for one run: its run
// waits for no queue of another caller. But of two slots in a row, one at most goes to such a newcomer while others wait, so that
// ever new callers, such as the addresses of a large network, do not starve those in the ring.
//
// Debts last as long as somebody waits. When the queue is empty they are forgiven: there was enough for everybody.

const (
	// quantum is the credit of a round, and the least cost of a run.
	quantum = 10 * time.Millisecond

	// maxResting bounds how many callers without a waiting run are remembered for their debts.
	maxResting = 1024
)

// line is the queue of a Gate, whose lock guards it.
type line struct {
	waiting int // tickets
	callers map[string]*caller

	fresh   *list.List // of *caller: with waiting runs, and nothing else
	ring    *list.List // of *caller: with waiting runs
	resting *list.List // of *caller: without, but with a run or a debt; the longest rest first

	newcomer *caller // the fresh caller that the last slot went to, or nil
}

func newLine() line {
	return line{callers: map[string]*caller{}, fresh: list.New(), ring: list.New(), resting: list.New()}
}

// caller is a Caller that has a run here, or a debt.
type caller struct {
	Caller
	waiting list.List // of *ticket
	running int
	credit  time.Duration
	hold    mean // how long its runs hold a slot

	in *list.List // one of the lists of the line, or nil
	at *list.Element
}

// able reports whether the caller may have one more run at once.
func (c *caller) able() bool { return c.Concurrency <= 0 || c.running < c.Concurrency }

// ticket is a run: one that waits, or one that holds a slot.
type ticket struct {
	of      *caller
	turn    chan error // of a run that had to wait: nil when its turn comes
	started bool       // at once
	place   *list.Element
	charged time.Duration
}

// caller returns what is known of a caller.
func (l *line) caller(of Caller) *caller {
	c := l.callers[of.ID]
	if c == nil {
		c = &caller{}
		l.callers[of.ID] = c
	}
	c.Caller = of // its bound may be another than before
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

// leave takes back a run that waits.
func (l *line) leave(t *ticket) {
	t.of.waiting.Remove(t.place)
	l.waiting--
	l.tidy(t.of)
	l.settle()
}

// next starts the run whose turn it is and returns it, or nil if no run that waits may start.
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

// inTurn returns the caller in the ring who has the next slot, or nil if there is none.
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

// refill gives credit to all who are in debt. A credit never exceeds a quantum.
func (l *line) refill(credit time.Duration) {
	for _, callers := range []*list.List{l.ring, l.resting} {
		for e := callers.Front(); e != nil; {
			c := e.Value.(*caller)
			e = e.Next() // tidy may remove this one
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

// end settles the cost of a run that held its slot for so long.
func (l *line) end(t *ticket, held time.Duration) {
	t.of.running--
	t.of.credit -= max(held, quantum) - t.charged
	l.tidy(t.of)
	l.settle()
}

// tidy puts a caller without a waiting run where it belongs, or forgets it.
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

// settle forgives all debts if nobody waits.
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

// move puts a caller at the end of a list, or in none.
func (l *line) move(c *caller, to *list.List) {
	if c.in != nil {
		c.in.Remove(c.at)
	}
	c.in, c.at = to, nil
	if to != nil {
		c.at = to.PushBack(c)
	}
}

// all returns all runs that wait.
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
