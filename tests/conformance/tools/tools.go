//go:build tools

// Package tools pins what the conformance tests run: crictl, critest and the ginkgo runner that
// critest calls for -parallel. critest is a test binary without an importable package, so the
// packages that it imports stand here in its place.
package tools

import (
	_ "github.com/onsi/ginkgo/v2/ginkgo"
	_ "sigs.k8s.io/cri-tools/cmd/crictl"
	_ "sigs.k8s.io/cri-tools/pkg/benchmark"
	_ "sigs.k8s.io/cri-tools/pkg/validate"
)
