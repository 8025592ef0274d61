package kubed

import (
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func nodeRow(o object, now metav1.Time) []any {
	n, _ := o.(*corev1.Node)
	status := "Unknown"
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			status = "NotReady"
			if c.Status == corev1.ConditionTrue {
				status = "Ready"
			}
		}
	}
	if n.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	var roles []string
	for k := range n.Labels {
		if role, ok := strings.CutPrefix(k, "node-role.kubernetes.io/"); ok && role != "" {
			roles = append(roles, role)
		}
	}
	sort.Strings(roles)
	role := none
	if len(roles) > 0 {
		role = strings.Join(roles, ",")
	}
	ip := none
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			ip = a.Address
			break
		}
	}
	i := n.Status.NodeInfo
	return []any{n.Name, status, role, ageOf(n, now), i.KubeletVersion, ip, none, i.OSImage, i.KernelVersion, i.ContainerRuntimeVersion}
}

func podRow(o object, now metav1.Time) []any {
	p, _ := o.(*corev1.Pod)
	ready, restarts := 0, int32(0)
	var last metav1.Time
	for _, c := range p.Status.ContainerStatuses {
		if c.Ready {
			ready++
		}
		restarts += c.RestartCount
		if t := c.LastTerminationState.Terminated; t != nil && last.Before(&t.FinishedAt) {
			last = t.FinishedAt
		}
	}
	again := fmt.Sprint(restarts)
	if restarts > 0 && !last.IsZero() {
		again = fmt.Sprintf("%d (%s ago)", restarts, since(last, now))
	}
	ip, node, nominated := none, none, none
	if p.Status.PodIP != "" {
		ip = p.Status.PodIP
	}
	if p.Spec.NodeName != "" {
		node = p.Spec.NodeName
	}
	if p.Status.NominatedNodeName != "" {
		nominated = p.Status.NominatedNodeName
	}
	return []any{
		p.Name, fmt.Sprintf("%d/%d", ready, len(p.Spec.Containers)), podReason(p), again, ageOf(p, now), ip, node, nominated, none,
	}
}

// podReason is the word that kubectl shows as a pod's status.
func podReason(p *corev1.Pod) string {
	reason := string(p.Status.Phase)
	if p.Status.Reason != "" {
		reason = p.Status.Reason
	}
	for _, c := range p.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			reason = c.State.Waiting.Reason
		case c.State.Terminated != nil && c.State.Terminated.Reason != "":
			reason = c.State.Terminated.Reason
		}
	}
	if p.DeletionTimestamp != nil {
		if p.Status.Reason == "NodeLost" {
			return "Unknown"
		}
		return "Terminating"
	}
	return reason
}

func serviceRow(o object, now metav1.Time) []any {
	v, _ := o.(*corev1.Service)
	external := none
	if v.Spec.Type == corev1.ServiceTypeLoadBalancer {
		external = "<pending>"
		if in := v.Status.LoadBalancer.Ingress; len(in) > 0 {
			external = in[0].IP
		}
	}
	var ports []string
	for _, p := range v.Spec.Ports {
		text := fmt.Sprint(p.Port)
		if p.NodePort > 0 {
			text += fmt.Sprintf(":%d", p.NodePort)
		}
		ports = append(ports, text+"/"+string(p.Protocol))
	}
	return []any{v.Name, string(v.Spec.Type), v.Spec.ClusterIP, external, strings.Join(ports, ","), ageOf(v, now), labelText(v.Spec.Selector)}
}

func eventRow(o object, now metav1.Time) []any {
	e, ok := o.(*corev1.Event)
	if !ok {
		return []any{"", "", "", "", "", "", "", "", int64(0), o.GetName()}
	}
	first, last := e.FirstTimestamp, e.LastTimestamp
	if first.IsZero() {
		first = metav1.NewTime(e.EventTime.Time)
	}
	if last.IsZero() {
		last = first
	}
	source := e.Source.Component
	if source == "" {
		source = e.ReportingController
	}
	if e.Source.Host != "" {
		source += ", " + e.Source.Host
	}
	return []any{
		since(last, now), e.Type, e.Reason, strings.ToLower(e.InvolvedObject.Kind) + "/" + e.InvolvedObject.Name,
		e.InvolvedObject.FieldPath, source, strings.TrimSpace(e.Message), since(first, now), int64(max(1, e.Count)), e.Name,
	}
}

func accessText(modes []corev1.PersistentVolumeAccessMode) string {
	names := map[corev1.PersistentVolumeAccessMode]string{
		corev1.ReadWriteOnce: "RWO", corev1.ReadOnlyMany: "ROX", corev1.ReadWriteMany: "RWX", corev1.ReadWriteOncePod: "RWOP",
	}
	var out []string
	for _, m := range modes {
		out = append(out, names[m])
	}
	return strings.Join(out, ",")
}

func claimRow(o object, now metav1.Time) []any {
	c, _ := o.(*corev1.PersistentVolumeClaim)
	class := ""
	if c.Spec.StorageClassName != nil {
		class = *c.Spec.StorageClassName
	}
	size := c.Status.Capacity[corev1.ResourceStorage]
	return []any{
		c.Name, string(c.Status.Phase), c.Spec.VolumeName, size.String(), accessText(c.Status.AccessModes), class, "<unset>",
		ageOf(c, now), string(corev1.PersistentVolumeFilesystem),
	}
}

func volumeRow(o object, now metav1.Time) []any {
	v, _ := o.(*corev1.PersistentVolume)
	claim := ""
	if r := v.Spec.ClaimRef; r != nil {
		claim = r.Namespace + "/" + r.Name
	}
	size := v.Spec.Capacity[corev1.ResourceStorage]
	return []any{
		v.Name, size.String(), accessText(v.Spec.AccessModes), string(v.Spec.PersistentVolumeReclaimPolicy), string(v.Status.Phase),
		claim, v.Spec.StorageClassName, "<unset>", v.Status.Reason, ageOf(v, now), string(corev1.PersistentVolumeFilesystem),
	}
}
