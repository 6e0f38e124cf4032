// Package kubernetes checks deploy/kubernetes with the code by which the API server of Kubernetes checks objects, and the types of the
// Prometheus operator. It is a module of its own, because this code has many dependencies.
package kubernetes
