package kubed

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func seedStorage(m *sim, t tx) {
	for _, c := range []struct {
		name, driver string
		attach       bool
		reclaim      corev1.PersistentVolumeReclaimPolicy
	}{
		{"iscsi", iscsiDriver, true, corev1.PersistentVolumeReclaimDelete},
		{"nfs", nfsDriver, false, corev1.PersistentVolumeReclaimRetain},
	} {
		class := &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: c.name}, Provisioner: c.driver, ReclaimPolicy: ptr(c.reclaim),
			VolumeBindingMode: ptr(storagev1.VolumeBindingImmediate), AllowVolumeExpansion: ptr(true),
		}
		if c.attach {
			class.Annotations = map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}
		}
		m.add(t, classes, class, appAge, "helm-controller", "", true)
		m.add(t, csiDrivers, &storagev1.CSIDriver{
			ObjectMeta: metav1.ObjectMeta{Name: c.driver},
			Spec:       storagev1.CSIDriverSpec{AttachRequired: ptr(c.attach), PodInfoOnMount: ptr(true)},
		}, appAge, "helm-controller", "", true)
	}
	for i, name := range []string{"system-cluster-critical", "system-node-critical"} {
		m.add(t, priorities, &schedulingv1.PriorityClass{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Value: 2000000000 + int32(i)*1000,
			Description: "Used for system critical pods that must not be moved from their current node.",
		}, clusterAge, "kube-apiserver", "", false)
	}
}

// addVolume adds a claim with the volume that it is bound to.
func (m *sim) addVolume(t tx, ns, name, size, class, driver string) {
	volume := "pvc-" + uuidOf(m.scene.Seed, "pv", ns, name)
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	if driver == nfsDriver {
		modes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	}
	capacity := corev1.ResourceList{corev1.ResourceStorage: quantity.MustParse(size)}
	claim := m.add(t, claims, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: ns, Finalizers: []string{"kubernetes.io/pvc-protection"},
			Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/storage-provisioner": driver},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, StorageClassName: ptr(class), VolumeName: volume, VolumeMode: ptr(corev1.PersistentVolumeFilesystem),
			Resources: corev1.VolumeResourceRequirements{Requests: capacity},
		},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, AccessModes: modes, Capacity: capacity},
	}, appAge, "kustomize-controller", "kube-controller-manager", true)
	m.add(t, volumes, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: volume, Finalizers: []string{"kubernetes.io/pv-protection"},
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": driver},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: capacity, AccessModes: modes, StorageClassName: class, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: ns, Name: name, UID: claim.GetUID()},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: volume}},
			VolumeMode:             ptr(corev1.PersistentVolumeFilesystem),
		},
		Status: corev1.PersistentVolumeStatus{Phase: corev1.VolumeBound},
	}, appAge, "csi-provisioner", "kube-controller-manager", false)
}

// serviceIP gives a service an address of the service network.
func (m *sim) serviceIP(last int64) string {
	prefix, err := netip.ParsePrefix(m.scene.ServiceCIDR)
	if err != nil {
		return "10.96.0.1"
	}
	b := prefix.Addr().As4()
	return fmt.Sprintf("%d.%d.%d.%d", b[0], b[1], last/256, last%256)
}

func seedServices(m *sim, t tx) {
	m.addService(t, "default", "kubernetes", 443, nil, m.serviceIP(1))
	for _, a := range apps(len(m.scene.Nodes)) {
		if a.port == 0 {
			continue
		}
		ip := m.serviceIP(between(m.scene.Seed, 300, 65000, "service", a.ns, a.name))
		if a.name == "coredns" {
			ip = m.serviceIP(10)
		}
		m.addService(t, a.ns, a.name, a.port, a.labels(), ip)
	}
}

func (m *sim) addService(t tx, ns, name string, port int32, selector map[string]string, ip string) {
	m.add(t, services, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: ns},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: ip, ClusterIPs: []string{ip}, Selector: selector,
			Ports: []corev1.ServicePort{{Name: "main", Port: port, TargetPort: intstr.FromInt32(port), Protocol: corev1.ProtocolTCP}},
		},
	}, appAge, "helm-controller", "", true)
	if name != "kubernetes" {
		return
	}
	var ready []discoveryv1.Endpoint
	for _, n := range m.scene.ControlPlanes() {
		ready = append(ready, discoveryv1.Endpoint{Addresses: []string{n.Address}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(true)}})
	}
	m.add(t, endpointSlices, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Namespace: ns, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: ready,
		Ports: []discoveryv1.EndpointPort{{Name: ptr("https"), Port: ptr(int32(6443)), Protocol: ptr(corev1.ProtocolTCP)}},
	}, clusterAge, "kube-apiserver", "", false)
}
