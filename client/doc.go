// Package client runs Python programs on a sandboxd service, by its typed API (docs/api.md).
//
//	c, err := client.New("http://127.0.0.1:8000")
//	result, err := c.Run(ctx, client.Request{Code: "print(6 * 7)"})
//
// Stream returns the events of a run, such as output, while the program runs. An error that the service reports is a *Problem.
//
// The package uses the standard library only. It ignores fields and events that it does not know, so that it works with later
// versions of the service.
package client
