package main

import (
	"context"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	metricsserver "sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

func init() {
	programs["kubelet"] = func() int { return cli.Run(kubelet.NewKubeletCommand(context.Background())) }
	programs["kube-proxy"] = func() int { return cli.Run(proxy.NewProxyCommand()) }
	programs["metrics-server"] = func() int {
		return cli.Run(metricsserver.NewMetricsServerCommand(genericapiserver.SetupSignalHandler()))
	}
	programs["coredns"] = func() int {
		// Only what is imported above, in the order in which a query passes through it. No
		// forward plugin: this cluster asks nobody outside.
		dnsserver.Directives = []string{"reload", "ready", "health", "errors", "cache", "kubernetes"}
		coremain.Run()
		return 0
	}
}
