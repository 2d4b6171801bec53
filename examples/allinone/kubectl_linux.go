package main

import (
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

// kubectl runs kubectl against the cluster of the default data directory, or
// that of KUBECONFIG if it is set. It does not return if the command fails.
func kubectl(args []string) error {
	if os.Getenv("KUBECONFIG") == "" {
		own := filepath.Join(defaultDataDir, "kubeconfig")
		if _, err := os.Stat(own); err == nil {
			if err := os.Setenv("KUBECONFIG", own); err != nil {
				return err
			}
		}
	}
	os.Args = append([]string{"kubectl"}, args...)
	command := cmd.NewDefaultKubectlCommand()
	if err := cli.RunNoErrOutput(command); err != nil {
		util.CheckErr(err)
	}
	return nil
}
