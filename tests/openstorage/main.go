// OpenStorage's own SDK, as Portworx serves it, on loopback and without a storage system: its fake driver keeps volumes
// in memory, and the nodes of the cluster are read from a file each time somebody asks.
//
// Volumes are created and changed through the SDK's own REST API. What a fake driver does not have comes from what the
// API was told: replicas are where spec.replica_set wants them, and the label "current" names those of them that are in
// use, as Portworx says it in its runtime state.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/runtime"
	"github.com/libopenstorage/openstorage/api"
	"github.com/libopenstorage/openstorage/api/server/sdk"
	"github.com/libopenstorage/openstorage/cluster"
	"github.com/libopenstorage/openstorage/cluster/manager"
	"github.com/libopenstorage/openstorage/config"
	"github.com/libopenstorage/openstorage/pkg/auth"
	"github.com/libopenstorage/openstorage/pkg/role"
	"github.com/libopenstorage/openstorage/pkg/storagepolicy"
	"github.com/libopenstorage/openstorage/volume"
	"github.com/libopenstorage/openstorage/volume/drivers"
	"github.com/libopenstorage/openstorage/volume/drivers/fake"
	"github.com/portworx/kvdb"
	"github.com/portworx/kvdb/mem"
	"google.golang.org/grpc"
)

const (
	driverName = "portworx"
	issuer     = "tests"
	current    = "current"
)

var (
	address     = flag.String("address", "127.0.0.1:0", "where to listen")
	home        = flag.String("home", "", "directory for sockets and logs")
	nodes       = flag.String("nodes", "", "file with the nodes as JSON: [{\"Id\", \"SchedulerNodeName\", \"Status\"}]")
	certificate = flag.String("certificate", "", "serve HTTPS with this certificate")
	key         = flag.String("key", "", "and this key")
	secret      = flag.String("secret", "", "let nobody in without a token that is signed with it")
)

// errTaken stops the SDK's gateway, which would listen on all interfaces, once its handlers are known.
var errTaken = errors.New("the gateway is served by somebody else")

func main() {
	flag.Parse()
	gateway, err := startSDK()
	if err != nil {
		log.Fatal(err)
	}
	if *certificate != "" {
		log.Fatal(http.ListenAndServeTLS(*address, *certificate, *key, gateway))
	}
	log.Fatal(http.ListenAndServe(*address, gateway))
}

// startSDK starts the SDK on sockets, and gives the handler of its REST gateway.
func startSDK() (http.Handler, error) {
	store, err := kvdb.New(mem.Name, "openstorage", nil, nil, kvdb.LogFatalErrorCB)
	if err != nil {
		return nil, err
	}
	if err := kvdb.SetInstance(store); err != nil {
		return nil, err
	}
	if err := manager.Init(config.ClusterConfig{ClusterId: "tests", NodeId: "tests"}); err != nil {
		return nil, err
	}
	if err := volumedrivers.Add(driverName, newDriver); err != nil {
		return nil, err
	}
	if err := volumedrivers.Register(driverName, nil); err != nil {
		return nil, err
	}
	policies, err := storagepolicy.Init()
	if err != nil {
		return nil, err
	}
	security, err := newSecurity(store)
	if err != nil {
		return nil, err
	}
	var gateway http.Handler
	server, err := sdk.New(&sdk.ServerConfig{
		Net:           "unix",
		Address:       filepath.Join(*home, "grpc.sock"),
		Socket:        filepath.Join(*home, "gateway.sock"),
		RestPort:      "0",
		AuditOutput:   io.Discard,
		AccessOutput:  io.Discard,
		DriverName:    driverName,
		Cluster:       fileCluster{},
		StoragePolicy: policies,
		Security:      security,
		RestServerExtensions: []func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error{
			func(_ context.Context, mux *runtime.ServeMux, _ *grpc.ClientConn) error {
				gateway = mux
				return errTaken
			},
		},
	})
	if err != nil {
		return nil, err
	}
	if err := server.Start(); !errors.Is(err, errTaken) {
		return nil, err
	}
	return gateway, nil
}

func newSecurity(store kvdb.Kvdb) (*sdk.SecurityConfig, error) {
	roles, err := role.NewSdkRoleManager(store)
	if err != nil || *secret == "" {
		return nil, err
	}
	tokens, err := auth.NewJwtAuth(&auth.JwtAuthConfig{SharedSecret: []byte(*secret)})
	if err != nil {
		return nil, err
	}
	return &sdk.SecurityConfig{Role: roles, Authenticators: map[string]auth.Authenticator{issuer: tokens}}, nil
}

// fileCluster has the nodes of a file. Whatever else a cluster can do, nobody asks for here.
type fileCluster struct{ cluster.Cluster }

func (fileCluster) Enumerate() (api.Cluster, error) {
	text, err := os.ReadFile(*nodes)
	if err != nil {
		return api.Cluster{}, err
	}
	found := api.Cluster{Id: "tests"}
	err = json.Unmarshal(text, &found.Nodes)
	return found, err
}

func (fileCluster) GetNodeIdFromIp(id string) (string, error) { return id, nil }

// driver is the fake driver with replicas.
type driver struct{ volume.VolumeDriver }

func newDriver(options map[string]string) (volume.VolumeDriver, error) {
	inner, err := fake.Init(options)
	return driver{inner}, err
}

func (d driver) Enumerate(locator *api.VolumeLocator, labels map[string]string) ([]*api.Volume, error) {
	volumes, err := d.VolumeDriver.Enumerate(locator, labels)
	for _, each := range volumes {
		placeReplicas(each)
	}
	return volumes, err
}

func placeReplicas(made *api.Volume) {
	wanted := made.GetSpec().GetReplicaSet()
	if wanted == nil {
		return
	}
	made.ReplicaSets = []*api.ReplicaSet{wanted}
	if inUse, ok := made.GetLocator().GetVolumeLabels()[current]; ok {
		said := map[string]string{"ReplicaSetCreateMid": strings.Join(wanted.Nodes, ","), "ReplicaSetCurrMid": inUse}
		made.RuntimeState = []*api.RuntimeStateMap{{RuntimeState: said}}
	}
}
