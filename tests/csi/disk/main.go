// Command disk is a CSI driver with local disks on every node, of which only the controller's side exists: it says
// where a volume lies and how much room is left, and stores nothing. One process stands for the disks of all nodes.
//
// The parameters of a StorageClass say how large its disks are: `capacity` on each node, or the value of a node's
// topology label on that node alone. Classes whose parameter `class` differs share nothing. All is forgotten when the
// process ends.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"slices"
	"sync"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	name := flag.String("driver", "", "name of the driver")
	socket := flag.String("socket", "", "path of the socket on which to listen")
	topologyKey := flag.String("topology-key", "", "label of nodes whose value tells them apart")
	flag.Parse()
	listener, err := net.Listen("unix", *socket)
	if err != nil {
		log.Fatal(err)
	}
	driver := &driver{name: *name, topologyKey: *topologyKey, volumes: map[string]volume{}}
	server := grpc.NewServer(grpc.UnaryInterceptor(logged))
	csi.RegisterIdentityServer(server, driver)
	csi.RegisterControllerServer(server, driver)
	log.Fatal(server.Serve(listener))
}

func logged(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	answer, err := handle(ctx, request)
	if _, polled := request.(*csi.GetCapacityRequest); polled {
		return answer, err
	}
	log.Printf("%s {%v}: {%v} %v", info.FullMethod, request, answer, err)
	return answer, err
}

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	name, topologyKey string

	lock    sync.Mutex
	volumes map[string]volume
}

type volume struct {
	class, node string
	bytes       int64
}

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: "1"}, nil
}

func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

func (d *driver) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	answer := &csi.GetPluginCapabilitiesResponse{}
	for _, service := range []csi.PluginCapability_Service_Type{
		csi.PluginCapability_Service_CONTROLLER_SERVICE,
		csi.PluginCapability_Service_VOLUME_ACCESSIBILITY_CONSTRAINTS,
	} {
		capability := &csi.PluginCapability_Service_{Service: &csi.PluginCapability_Service{Type: service}}
		answer.Capabilities = append(answer.Capabilities, &csi.PluginCapability{Type: capability})
	}
	return answer, nil
}

func (d *driver) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	answer := &csi.ControllerGetCapabilitiesResponse{}
	for _, call := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
		csi.ControllerServiceCapability_RPC_GET_CAPACITY,
	} {
		capability := &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: call}}
		answer.Capabilities = append(answer.Capabilities, &csi.ControllerServiceCapability{Type: capability})
	}
	return answer, nil
}

func (d *driver) GetCapacity(_ context.Context, request *csi.GetCapacityRequest) (*csi.GetCapacityResponse, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	free, err := d.free(request.Parameters, request.AccessibleTopology.GetSegments()[d.topologyKey])
	if err != nil {
		return nil, err
	}
	return &csi.GetCapacityResponse{AvailableCapacity: free, MaximumVolumeSize: wrapperspb.Int64(free)}, nil
}

func (d *driver) CreateVolume(_ context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	made, exists := d.volumes[request.Name]
	if !exists {
		bytes := request.CapacityRange.GetRequiredBytes()
		node, err := d.nodeFor(request, bytes)
		if err != nil {
			return nil, err
		}
		made = volume{class: request.Parameters["class"], node: node, bytes: bytes}
		d.volumes[request.Name] = made
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId:           request.Name,
		CapacityBytes:      made.bytes,
		ContentSource:      request.VolumeContentSource,
		AccessibleTopology: []*csi.Topology{{Segments: map[string]string{d.topologyKey: made.node}}},
	}}, nil
}

func (d *driver) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	delete(d.volumes, request.VolumeId)
	return &csi.DeleteVolumeResponse{}, nil
}

// nodeFor gives the first node of those that are asked for which has room, and the source's data if there is a source.
func (d *driver) nodeFor(request *csi.CreateVolumeRequest, bytes int64) (string, error) {
	source, err := d.source(request.VolumeContentSource)
	if err != nil {
		return "", err
	}
	asked := request.AccessibilityRequirements
	for _, topology := range slices.Concat(asked.GetPreferred(), asked.GetRequisite()) {
		node := topology.Segments[d.topologyKey]
		free, err := d.free(request.Parameters, node)
		if err != nil {
			return "", err
		}
		if bytes <= free && (source == nil || source.node == node) {
			return node, nil
		}
	}
	return "", status.Error(codes.ResourceExhausted, "no node that is asked for has the room and the source's data")
}

// source gives the volume of which a copy is wanted, nil if the new volume is to be empty. A snapshot lies where its
// volume does and has its id, so that whoever stands in for a csi-snapshotter need not ask for one.
func (d *driver) source(wanted *csi.VolumeContentSource) (*volume, error) {
	if wanted == nil {
		return nil, nil
	}
	id := wanted.GetVolume().GetVolumeId() + wanted.GetSnapshot().GetSnapshotId()
	found, exists := d.volumes[id]
	if !exists {
		return nil, status.Errorf(codes.NotFound, "there is no volume %s", id)
	}
	return &found, nil
}

func (d *driver) free(parameters map[string]string, node string) (int64, error) {
	size, own := parameters[node]
	if !own {
		size = parameters["capacity"]
	}
	capacity, err := resource.ParseQuantity(size)
	if err != nil {
		return 0, status.Errorf(codes.InvalidArgument, "capacity %q of node %q: %v", size, node, err)
	}
	free := capacity.Value()
	for _, each := range d.volumes {
		if each.class == parameters["class"] && each.node == node {
			free -= each.bytes
		}
	}
	return free, nil
}
