// Command sandboxd-init is the init of a jail. The daemon carries it within itself and starts it in
// new namespaces, with a socket as descriptor 3; it is of no use otherwise.
package main

import "github.com/sandboxd/sandboxd/internal/jail/inside"

func main() { inside.Main() }
