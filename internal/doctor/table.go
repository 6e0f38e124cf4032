package doctor

// Row is a row of the table of layers, for the documentation and the attack suite, which tests compare with it.
type Row struct {
	Name   string // in doctor, /healthz and the metric; "" if the probe does not report it alone
	PartOf string // for a row without a name: the layer that reports its failures, if there is one
	Attack string // its name in the attack suite; several rows may share one
	What   string // one line for people

	Stages    []string // of the set-up that make the layer
	OnRequest bool     // only where the settings ask for it
}

// Table returns the table of layers.
func Table() (rows []Row) {
	for _, l := range layers {
		rows = append(rows, Row{l.name, l.partOf, l.attack, l.what, l.stages, l.need == onRequest})
	}
	return rows
}

// Cause is a known reason why a layer does not work.
type Cause struct{ Sign, Remedy string }

// Causes returns the known causes, in the order in which they are considered.
func Causes() (list []Cause) {
	for _, c := range causes {
		list = append(list, Cause{c.sign, c.remedy})
	}
	return list
}
