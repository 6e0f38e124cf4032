package jail_test

import (
	"testing"

	"github.com/sandboxd/sandboxd/internal/jailtest"
)

func TestMain(m *testing.M) { jailtest.Main(m) }
