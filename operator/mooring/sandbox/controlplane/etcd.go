package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
)

// runEtcd serves a single etcd member on loopback until SIGTERM. It does not fsync: a sandbox that loses power is
// thrown away, and the tests are several times faster.
func runEtcd() {
	dataDir := flag.String("data-dir", "", "directory of the database")
	clientURL := flag.String("listen-client-url", "", "URL for kube-apiserver, http://127.0.0.1:PORT")
	peerURL := flag.String("listen-peer-url", "", "URL that a single member needs but never uses")
	flag.Parse()

	config := embed.NewConfig()
	config.Dir = *dataDir
	config.UnsafeNoFsync = true
	config.LogLevel = "warn"
	// Only etcd's own main function sets this default; without it every request is logged as a slow one.
	config.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration
	config.QuotaBackendBytes = 8 << 30
	config.AutoCompactionMode = "periodic"
	config.AutoCompactionRetention = "10m"
	client, peer := mustURL(*clientURL), mustURL(*peerURL)
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	server, err := embed.StartEtcd(config)
	exitOn(err)
	defer server.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-stop:
	case err := <-server.Err():
		exitOn(err)
	}
}

func mustURL(text string) url.URL {
	parsed, err := url.Parse(text)
	exitOn(err)
	return *parsed
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
