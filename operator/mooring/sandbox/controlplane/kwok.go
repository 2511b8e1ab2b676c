package main

import (
	"fmt"
	"os"

	"github.com/spf13/pflag"
	"sigs.k8s.io/kwok/kustomize/stage/node/fast"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

// runKwok is kwok's own main function: its --config flag belongs to a flag set that must be parsed before the
// command exists.
func runKwok() {
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	exitOn(err)
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	// Kubernetes' components register a --version of their own for the whole process; cobra's, which kwok asks for with
	// this field, fails on finding it.
	command.Version = ""
	exitOn(command.ExecuteContext(ctx))
}

// podDelete is kwok's own stage, but for pods without grace, which the API server deletes by itself: kwok names a pod
// and not its uid, so that what it asks for, late, would meet the next pod of that name, such as a StatefulSet's.
const podDelete = `apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: pod-delete
spec:
  resourceRef:
    apiGroup: v1
    kind: Pod
  selector:
    matchExpressions:
    - key: '.metadata.deletionTimestamp'
      operator: 'Exists'
    - key: '.metadata.deletionGracePeriodSeconds | select(. > 0)'
      operator: 'Exists'
  next:
    delete: true
`

// printKwokStages writes the stages that make nodes Ready and pods run, complete and go, as kwok's --config reads them.
func printKwokStages() {
	stages := []string{
		fast.DefaultNodeInit, podfast.DefaultPodReady, podfast.DefaultPodComplete, podDelete,
	}
	for _, stage := range stages {
		fmt.Fprintf(os.Stdout, "---\n%s\n", stage)
	}
}
