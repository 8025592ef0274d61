package kubed

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The drivers of the cluster's storage: volumes of the first are attached to a
// node, volumes of the second are mounted over the network.
const (
	iscsiDriver = "org.democratic-csi.iscsi"
	nfsDriver   = "nfs.csi.k8s.io"
)

// volumesOf returns the volumes that are attached to a node for the pod.
func volumesOf(t tx, p *corev1.Pod) []string {
	var out []string
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		o, ok := t.get(claims, p.Namespace, v.PersistentVolumeClaim.ClaimName)
		if !ok {
			continue
		}
		claim, ok := o.(*corev1.PersistentVolumeClaim)
		if !ok || claim.Spec.VolumeName == "" {
			continue
		}
		o, ok = t.get(volumes, "", claim.Spec.VolumeName)
		if pv, isPV := o.(*corev1.PersistentVolume); ok && isPV && pv.Spec.CSI != nil && pv.Spec.CSI.Driver == iscsiDriver {
			out = append(out, pv.Name)
		}
	}
	return out
}

// attachmentName is the name that the attach-detach controller gives.
func attachmentName(volume, node string) string {
	sum := sha256.Sum256([]byte(volume + iscsiDriver + node))
	return "csi-" + hex.EncodeToString(sum[:])
}

// attach attaches the pod's volumes to its node, as of then.
func (m *sim) attach(t tx, p *corev1.Pod, at metav1.Time) {
	for _, volume := range volumesOf(t, p) {
		name := attachmentName(volume, p.Spec.NodeName)
		if _, ok := t.get(attachments, "", name); ok {
			continue
		}
		t.put(attachments, &storagev1.VolumeAttachment{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, CreationTimestamp: at, Finalizers: []string{"external-attacher/org-democratic-csi-iscsi"},
				Annotations: map[string]string{"csi.alpha.kubernetes.io/node-id": p.Spec.NodeName},
			},
			Spec: storagev1.VolumeAttachmentSpec{
				Attacher: iscsiDriver, NodeName: p.Spec.NodeName,
				Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: ptr(volume)},
			},
			Status: storagev1.VolumeAttachmentStatus{Attached: true},
		})
	}
}

// detach frees the volumes of a pod that is gone, a moment later.
func (m *sim) detach(p *corev1.Pod) {
	var names []string
	m.store.read(func(t tx) { names = volumesOf(t, p) })
	for _, volume := range names {
		m.after("detach "+volume+" "+p.Spec.NodeName, 1500*time.Millisecond, func() {
			m.change(func(t tx) {
				if !usedOn(t, volume, p.Namespace, p.Spec.NodeName) {
					t.remove(attachments, "", attachmentName(volume, p.Spec.NodeName))
				}
			})
		})
	}
}

func usedOn(t tx, volume, ns, node string) bool {
	for _, o := range t.find(pods, "node", node) {
		p, ok := o.(*corev1.Pod)
		if !ok || p.Namespace != ns {
			continue
		}
		for _, v := range volumesOf(t, p) {
			if v == volume {
				return true
			}
		}
	}
	return false
}

// attachedTo is the node of a VolumeAttachment.
func attachedTo(o object) string {
	a, ok := o.(*storagev1.VolumeAttachment)
	if !ok {
		return ""
	}
	return a.Spec.NodeName
}
