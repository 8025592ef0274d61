package kubed

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

const none = "<none>"

// addColumns tells the registry how kubectl get shows each kind.
func addColumns() {
	addCoreColumns()
	addAppColumns()
	ready, status, age := []string{"Ready"}, []string{"Status"}, []string{"Age"}
	simple := func(res ...*resource) {
		for _, r := range res {
			r.columns, r.row = columns("Name", "Age", "Ready", "Status"), customRow(age, ready, status)
		}
	}
	simple(kustomizations, helmReleases, receivers)
	for _, r := range []*resource{gitRepositories, helmRepositories} {
		r.columns, r.row = columns("Name", "URL", "Age", "Ready", "Status"), customRow([]string{"spec", "url"}, age, ready, status)
	}
	ociRepositories.columns = columns("Name", "URL", "Ready", "Status", "Age")
	ociRepositories.row = customRow([]string{"spec", "url"}, ready, status, age)
	buckets.columns, buckets.row = columns("Name", "Endpoint", "Age", "Ready", "Status"), customRow([]string{"spec", "endpoint"}, age, ready, status)
	extArtifacts.columns = columns("Name", "Age", "Ready", "Status", "Source")
	extArtifacts.row = customRow(age, ready, status, []string{"spec", "sourceRef", "name"})
	helmCharts.columns = columns("Name", "Chart", "Version", "Source Kind", "Source Name", "Age", "Ready", "Status")
	helmCharts.row = customRow([]string{"spec", "chart"}, []string{"spec", "version"}, []string{"spec", "sourceRef", "kind"},
		[]string{"spec", "sourceRef", "name"}, age, ready, status)
	imagePolicies.columns = columns("Name", "Image", "Tag", "Ready", "Status", "Age")
	imagePolicies.row = customRow([]string{"status", "latestRef", "name"}, []string{"status", "latestRef", "tag"}, ready, status, age)
	imageRepos.columns = columns("Name", "Image", "Tags", "Ready", "Status", "*Last scan", "Age")
	imageRepos.row = customRow([]string{"spec", "image"}, []string{"status", "lastScanResult", "tagCount"}, ready, status,
		[]string{"status", "lastScanResult", "scanTime"}, age)
	imageUpdates.columns = columns("Name", "Ready", "Status", "*Last run", "Age")
	imageUpdates.row = customRow(ready, status, []string{"status", "lastAutomationRunTime"}, age)
	crds.columns, crds.row = columns("Name", "Created At"), func(o object, _ metav1.Time) []any {
		return []any{o.GetName(), o.GetCreationTimestamp().UTC().Format("2006-01-02T15:04:05Z")}
	}
}

func addCoreColumns() {
	pods.columns = columns("Name", "Ready", "Status", "Restarts", "Age", "*IP", "*Node", "*Nominated Node", "*Readiness Gates")
	pods.row = podRow
	nodes.columns = columns("Name", "Status", "Roles", "Age", "Version", "*Internal-IP", "*External-IP", "*OS-Image",
		"*Kernel-Version", "*Container-Runtime")
	nodes.row = nodeRow
	namespaces.columns = columns("Name", "Status", "Age")
	namespaces.row = func(o object, now metav1.Time) []any {
		n, _ := o.(*corev1.Namespace)
		return []any{n.Name, string(n.Status.Phase), ageOf(n, now)}
	}
	services.columns = columns("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "*Selector")
	services.row = serviceRow
	events.columns = columns("Last Seen", "Type", "Reason", "Object", "*Subobject", "*Source", "Message", "*First Seen", "*#Count", "*Name")
	events.row = eventRow
	claims.columns = columns("Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass", "Age", "*VolumeMode")
	claims.row = claimRow
	volumes.columns = columns("Name", "Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass",
		"VolumeAttributesClass", "Reason", "Age", "*VolumeMode")
	volumes.row = volumeRow
	configMaps.columns = columns("Name", "#Data", "Age")
	configMaps.row = func(o object, now metav1.Time) []any {
		m, _ := o.(*corev1.ConfigMap)
		return []any{m.Name, int64(len(m.Data) + len(m.BinaryData)), ageOf(m, now)}
	}
	secrets.columns = columns("Name", "Type", "#Data", "Age")
	secrets.row = func(o object, now metav1.Time) []any {
		m, _ := o.(*corev1.Secret)
		return []any{m.Name, string(m.Type), int64(len(m.Data)), ageOf(m, now)}
	}
}

func addAppColumns() {
	deployments.columns = columns("Name", "Ready", "#Up-to-date", "#Available", "Age", "*Containers", "*Images", "*Selector")
	deployments.row = func(o object, now metav1.Time) []any {
		d, _ := o.(*appsv1.Deployment)
		return append([]any{
			d.Name, ratio(d.Status.ReadyReplicas, wanted(d)), int64(d.Status.UpdatedReplicas),
			int64(d.Status.AvailableReplicas), ageOf(d, now),
		}, template(d.Spec.Template, d.Spec.Selector)...)
	}
	replicaSets.columns = columns("Name", "#Desired", "#Current", "#Ready", "Age", "*Containers", "*Images", "*Selector")
	replicaSets.row = func(o object, now metav1.Time) []any {
		r, _ := o.(*appsv1.ReplicaSet)
		return append([]any{r.Name, int64(wanted(r)), int64(r.Status.Replicas), int64(r.Status.ReadyReplicas), ageOf(r, now)},
			template(r.Spec.Template, r.Spec.Selector)...)
	}
	statefulSets.columns = columns("Name", "Ready", "Age", "*Containers", "*Images")
	statefulSets.row = func(o object, now metav1.Time) []any {
		w, _ := o.(*appsv1.StatefulSet)
		return append([]any{w.Name, ratio(w.Status.ReadyReplicas, wanted(w)), ageOf(w, now)}, template(w.Spec.Template, nil)[:2]...)
	}
	daemonSets.columns = columns("Name", "#Desired", "#Current", "#Ready", "#Up-to-date", "#Available", "Node Selector", "Age",
		"*Containers", "*Images", "*Selector")
	daemonSets.row = daemonRow
	jobs.columns, jobs.row = columns("Name", "Status", "Completions", "Duration", "Age"), jobRow
	cronJobs.columns, cronJobs.row = columns("Name", "Schedule", "Timezone", "Suspend", "#Active", "Last Schedule", "Age"), cronRow
	budgets.columns, budgets.row = columns("Name", "Min Available", "Max Unavailable", "#Allowed Disruptions", "Age"), budgetRow
	leases.columns, leases.row = columns("Name", "Holder", "Age"), func(o object, now metav1.Time) []any {
		l, _ := o.(*coordinationv1.Lease)
		holder := ""
		if l.Spec.HolderIdentity != nil {
			holder = *l.Spec.HolderIdentity
		}
		return []any{l.Name, holder, ageOf(l, now)}
	}
	classes.columns = columns("Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age")
	classes.row = classRow
	attachments.columns = columns("Name", "Attacher", "PV", "Node", "Attached", "Age")
	attachments.row = func(o object, now metav1.Time) []any {
		a, _ := o.(*storagev1.VolumeAttachment)
		pv := ""
		if a.Spec.Source.PersistentVolumeName != nil {
			pv = *a.Spec.Source.PersistentVolumeName
		}
		return []any{a.Name, a.Spec.Attacher, pv, a.Spec.NodeName, a.Status.Attached, ageOf(a, now)}
	}
}

func ratio(ready, want int32) string { return fmt.Sprintf("%d/%d", ready, want) }

func template(t corev1.PodTemplateSpec, sel *metav1.LabelSelector) []any {
	var names, images []string
	for _, c := range t.Spec.Containers {
		names, images = append(names, c.Name), append(images, c.Image)
	}
	return []any{strings.Join(names, ","), strings.Join(images, ","), metav1.FormatLabelSelector(sel)}
}

func daemonRow(o object, now metav1.Time) []any {
	d, _ := o.(*appsv1.DaemonSet)
	return append([]any{
		d.Name, int64(d.Status.DesiredNumberScheduled), int64(d.Status.CurrentNumberScheduled),
		int64(d.Status.NumberReady), int64(d.Status.UpdatedNumberScheduled), int64(d.Status.NumberAvailable),
		labelText(d.Spec.Template.Spec.NodeSelector), ageOf(d, now),
	}, template(d.Spec.Template, d.Spec.Selector)...)
}

func labelText(m map[string]string) string {
	if len(m) == 0 {
		return none
	}
	var out []string
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	sort.Strings(out)
	return strings.Join(out, ",")
}

func jobRow(o object, now metav1.Time) []any {
	j, _ := o.(*batchv1.Job)
	status, took := "Running", ""
	for _, c := range j.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			status = string(c.Type)
		}
	}
	if j.Status.StartTime != nil {
		end := now
		if j.Status.CompletionTime != nil {
			end = *j.Status.CompletionTime
		}
		took = duration.HumanDuration(end.Sub(j.Status.StartTime.Time))
	}
	want := int32(1)
	if j.Spec.Completions != nil {
		want = *j.Spec.Completions
	}
	return []any{j.Name, status, ratio(j.Status.Succeeded, want), took, ageOf(j, now)}
}

func cronRow(o object, now metav1.Time) []any {
	j, _ := o.(*batchv1.CronJob)
	zone, last := none, none
	if j.Spec.TimeZone != nil {
		zone = *j.Spec.TimeZone
	}
	if j.Status.LastScheduleTime != nil {
		last = since(*j.Status.LastScheduleTime, now)
	}
	suspend := j.Spec.Suspend != nil && *j.Spec.Suspend
	return []any{j.Name, j.Spec.Schedule, zone, strconv.FormatBool(suspend), int64(len(j.Status.Active)), last, ageOf(j, now)}
}

func budgetRow(o object, now metav1.Time) []any {
	b, _ := o.(*policyv1.PodDisruptionBudget)
	lo, hi := "N/A", "N/A"
	if b.Spec.MinAvailable != nil {
		lo = b.Spec.MinAvailable.String()
	}
	if b.Spec.MaxUnavailable != nil {
		hi = b.Spec.MaxUnavailable.String()
	}
	return []any{b.Name, lo, hi, int64(b.Status.DisruptionsAllowed), ageOf(b, now)}
}

func classRow(o object, now metav1.Time) []any {
	c, _ := o.(*storagev1.StorageClass)
	name := c.Name
	if c.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
		name += " (default)"
	}
	reclaim, binding := "Delete", "Immediate"
	if c.ReclaimPolicy != nil {
		reclaim = string(*c.ReclaimPolicy)
	}
	if c.VolumeBindingMode != nil {
		binding = string(*c.VolumeBindingMode)
	}
	return []any{name, c.Provisioner, reclaim, binding, c.AllowVolumeExpansion != nil && *c.AllowVolumeExpansion, ageOf(c, now)}
}
