//go:build tools

// Package tools pins the Pulumi engine that set-up builds where Pulumi's own download is out of reach.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
