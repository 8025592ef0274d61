package kubed

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// app is one program of the reference cluster.
type app struct {
	ns, name, container, image string
	kind                       *resource
	replicas                   int32
	cpu, mem                   int64 // requests: millicores, MiB
	port                       int32
	spread                     bool   // never two on one node
	stateful                   bool   // prefers the node that is meant for it
	volume                     string // size of its volume
	shared                     string // an NFS claim that it mounts
	system                     bool   // tolerates everything and runs in the host's network
	minAvailable, maxGone      int32  // its disruption budget; zero is none
	release                    string // the HelmRelease that it belongs to, or "" for a Kustomization
}

func apps(workers int) []app {
	three := int32(min(3, workers))
	two := int32(min(2, workers))
	return []app{
		{ns: "kube-system", name: "cilium", container: "cilium-agent", image: "quay.io/cilium/cilium:v1.19.0", kind: daemonSets, cpu: 100, mem: 256, system: true, release: "cilium"},
		{ns: "kube-system", name: "cilium-operator", container: "cilium-operator", image: "quay.io/cilium/operator-generic:v1.19.0", kind: deployments, replicas: 1, cpu: 50, mem: 128, release: "cilium"},
		{ns: "kube-system", name: "coredns", container: "coredns", image: "registry.k8s.io/coredns/coredns:v1.14.1", kind: deployments, replicas: 2, cpu: 100, mem: 128, port: 53, maxGone: 1, release: "coredns"},
		{ns: "kube-system", name: "spegel", container: "registry", image: "ghcr.io/spegel-org/spegel:v0.6.0", kind: daemonSets, cpu: 20, mem: 64, system: true, release: "spegel"},
		{ns: "kube-system", name: "metrics-server", container: "metrics-server", image: "registry.k8s.io/metrics-server/metrics-server:v0.9.0", kind: deployments, replicas: 1, cpu: 100, mem: 200, port: 443, release: "metrics-server"},
		{ns: "storage", name: "democratic-csi-controller", container: "csi-driver", image: "docker.io/democraticcsi/democratic-csi:v1.9.5", kind: deployments, replicas: 1, cpu: 50, mem: 128, release: "democratic-csi"},
		{ns: "storage", name: "democratic-csi-node", container: "csi-driver", image: "docker.io/democraticcsi/democratic-csi:v1.9.5", kind: daemonSets, cpu: 20, mem: 64, system: true, release: "democratic-csi"},
		controller("source-controller", "v1.9.5"), controller("kustomize-controller", "v1.9.5"), controller("helm-controller", "v1.6.4"),
		controller("notification-controller", "v1.9.3"), controller("image-reflector-controller", "v1.2.0"),
		controller("image-automation-controller", "v1.2.0"),
		{ns: "database", name: "postgres", container: "postgres", image: "ghcr.io/cloudnative-pg/postgresql:18.1", kind: statefulSets, replicas: three, cpu: 200, mem: 512, port: 5432, spread: true, stateful: true, volume: "20Gi", maxGone: 1},
		{ns: "monitoring", name: "prometheus", container: "prometheus", image: "quay.io/prometheus/prometheus:v3.9.0", kind: statefulSets, replicas: 1, cpu: 200, mem: 512, port: 9090, stateful: true, volume: "50Gi", release: "prometheus"},
		{ns: "monitoring", name: "grafana", container: "grafana", image: "docker.io/grafana/grafana:12.3.1", kind: deployments, replicas: 1, cpu: 100, mem: 128, port: 3000, release: "grafana"},
		{ns: "monitoring", name: "node-exporter", container: "node-exporter", image: "quay.io/prometheus/node-exporter:v1.10.2", kind: daemonSets, cpu: 20, mem: 32, system: true, release: "prometheus"},
		{ns: "network", name: "ingress", container: "controller", image: "registry.k8s.io/ingress-nginx/controller:v1.14.1", kind: deployments, replicas: 2, cpu: 100, mem: 128, port: 443, maxGone: 1, release: "ingress"},
		{ns: "network", name: "web", container: "web", image: "docker.io/library/nginx:1.29.4", kind: deployments, replicas: 2, cpu: 50, mem: 64, port: 80},
		{ns: "media", name: "jellyfin", container: "jellyfin", image: "ghcr.io/jellyfin/jellyfin:10.11.6", kind: deployments, replicas: 1, cpu: 500, mem: 1024, port: 8096, shared: "library", minAvailable: 1, release: "jellyfin"},
		{ns: "media", name: "sonarr", container: "sonarr", image: "ghcr.io/home-operations/sonarr:4.0.17", kind: deployments, replicas: two, cpu: 100, mem: 128, port: 8989, shared: "library", minAvailable: two - 1, release: "sonarr"},
		{ns: "media", name: "radarr", container: "radarr", image: "ghcr.io/home-operations/radarr:6.0.4", kind: deployments, replicas: three, cpu: 100, mem: 128, port: 7878, shared: "library", release: "radarr"},
	}
}

func controller(name, version string) app {
	return app{
		ns: "flux-system", name: name, container: "manager", image: "ghcr.io/fluxcd/" + name + ":" + version,
		kind: deployments, replicas: 1, cpu: 100, mem: 64, port: 8080,
	}
}

func seedWorkloads(m *sim, t tx) {
	list := apps(len(m.scene.Nodes))
	for _, a := range list {
		if a.volume != "" {
			for i := range int(a.replicas) {
				m.addVolume(t, a.ns, fmt.Sprintf("data-%s-%d", a.name, i), a.volume, "iscsi", iscsiDriver)
			}
		}
	}
	m.addVolume(t, "media", "library", "4Ti", "nfs", nfsDriver)
	for _, a := range list {
		owner := "helm-controller"
		if a.release == "" {
			owner = "kustomize-controller"
		}
		m.add(t, a.kind, m.workload(a), appAge, owner, "kube-controller-manager", true)
		if b := a.budget(); b != nil {
			m.add(t, budgets, b, appAge, owner, "kube-controller-manager", true)
		}
	}
	seedBackup(m, t)
	m.settle(t, list)
}

// settle lets the controllers create their pods, and has these run for some days already.
func (m *sim) settle(t tx, list []app) {
	for range 4 { // a Deployment, its ReplicaSet, the pods, the statuses
		for _, a := range list {
			m.settleOne(t, a)
		}
		for _, o := range t.list(replicaSets) {
			if r, ok := o.(*appsv1.ReplicaSet); ok {
				r = clone(r)
				r.CreationTimestamp = m.ago(appAge)
				t.put(replicaSets, r)
				m.replicaSet(t, r)
			}
		}
		for _, o := range t.list(pods) {
			m.settlePod(t, o, m.someDays(o))
		}
	}
	for _, o := range t.list(budgets) {
		m.s.refreshBudget(t, asBudget(o))
	}
	forgetEvents(t)
}

// forgetEvents removes those that the making of the seed has caused.
func forgetEvents(t tx) {
	for _, o := range t.list(events) {
		t.remove(events, o.GetNamespace(), o.GetName())
	}
}

func (m *sim) settleOne(t tx, a app) {
	o, ok := t.get(a.kind, a.ns, a.name)
	if !ok {
		return
	}
	switch w := o.(type) {
	case *appsv1.Deployment:
		m.deployment(t, w)
	case *appsv1.DaemonSet:
		m.daemonSet(t, w)
	case *appsv1.StatefulSet:
		for range wanted(w) {
			m.statefulSet(t, w)
			for _, p := range podsOf(t, w) {
				m.settlePod(t, p, m.someDays(p))
			}
		}
		if o, ok = t.get(a.kind, a.ns, a.name); ok {
			if w, ok = o.(*appsv1.StatefulSet); ok {
				m.statefulSet(t, w)
			}
		}
	}
}

// someDays is an age of a pod, which its name decides.
func (m *sim) someDays(o object) time.Duration {
	return time.Duration(between(m.scene.Seed, 5*3600, 12*24*3600, "age", o.GetNamespace(), o.GetName())) * time.Second
}

// settlePod puts a new pod on a node and lets it have run for as long as its age.
func (m *sim) settlePod(t tx, o object, age time.Duration) {
	p, ok := o.(*corev1.Pod)
	if !ok || p.Status.Phase != corev1.PodPending {
		return
	}
	node, _ := m.place(t, p)
	if node == "" {
		return
	}
	p = clone(p)
	p.CreationTimestamp = m.ago(age)
	m.bind(t, p, node, m.ago(age))
	m.setRunning(p, m.ago(age-12*time.Second))
	if n := between(m.scene.Seed, 0, 11, "restarts", p.Name); n >= 10 {
		m.markRestarted(p, 137, "OOMKilled")
		again := m.ago(age / 3)
		p.Status.ContainerStatuses[0].LastTerminationState.Terminated.FinishedAt = again
		m.setRunning(p, again)
	}
	p.ManagedFields = owned(pods, p, p.CreationTimestamp.Time, "kube-controller-manager", "kubelet", false)
	t.put(pods, p)
}

func (a app) labels() map[string]string {
	out := map[string]string{"app.kubernetes.io/name": a.name, "app.kubernetes.io/instance": a.name}
	if a.name == "coredns" {
		out["k8s-app"] = "kube-dns"
	}
	return out
}

func (a app) meta() metav1.ObjectMeta {
	labels := a.labels()
	if a.release != "" {
		labels["app.kubernetes.io/managed-by"] = "Helm"
		labels["helm.toolkit.fluxcd.io/name"], labels["helm.toolkit.fluxcd.io/namespace"] = a.release, a.ns
	} else {
		labels["kustomize.toolkit.fluxcd.io/name"], labels["kustomize.toolkit.fluxcd.io/namespace"] = kustomizationOf(a), "flux-system"
	}
	if a.ns == fluxNamespace {
		labels["app.kubernetes.io/part-of"], labels["app.kubernetes.io/version"] = "flux", fluxVersion
		labels["app.kubernetes.io/component"] = a.name
	}
	return metav1.ObjectMeta{Name: a.name, Namespace: a.ns, Labels: labels, Generation: 1}
}

// kustomizationOf names the Kustomization that applies the app.
func kustomizationOf(a app) string {
	switch {
	case a.name == "web":
		return "web"
	case a.ns == "flux-system":
		return "flux-system"
	default:
		return a.ns
	}
}

// workload builds the Deployment, StatefulSet or DaemonSet.
func (m *sim) workload(a app) object {
	selector := &metav1.LabelSelector{MatchLabels: a.labels()}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: a.labels()}, Spec: a.podSpec()}
	switch a.kind {
	case daemonSets:
		return &appsv1.DaemonSet{ObjectMeta: a.meta(), Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template}}
	case statefulSets:
		w := &appsv1.StatefulSet{ObjectMeta: a.meta(), Spec: appsv1.StatefulSetSpec{
			Replicas: ptr(a.replicas), ServiceName: a.name, Selector: selector, Template: template,
		}}
		w.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{
			ObjectMeta: metav1.ObjectMeta{Name: "data"},
			Spec:       corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: ptr("iscsi")},
		}}
		return w
	default:
		d := &appsv1.Deployment{ObjectMeta: a.meta(), Spec: appsv1.DeploymentSpec{
			Replicas: ptr(a.replicas), Selector: selector, Template: template, RevisionHistoryLimit: ptr(int32(10)), ProgressDeadlineSeconds: ptr(int32(600)),
		}}
		d.Annotations = map[string]string{"deployment.kubernetes.io/revision": "1"}
		return d
	}
}

func (a app) podSpec() corev1.PodSpec {
	c := corev1.Container{
		Name: a.container, Image: a.image, ImagePullPolicy: corev1.PullIfNotPresent,
		Resources: corev1.ResourceRequirements{Requests: quantities(a.cpu, a.mem), Limits: quantities(0, a.mem*2)},
	}
	if a.port > 0 {
		c.Ports = []corev1.ContainerPort{{Name: "main", ContainerPort: a.port, Protocol: corev1.ProtocolTCP}}
	}
	spec := corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst, ServiceAccountName: a.name,
		SchedulerName: corev1.DefaultSchedulerName, TerminationGracePeriodSeconds: ptr(int64(30)),
	}
	if a.system {
		spec.HostNetwork = true
		spec.PriorityClassName, spec.Priority = "system-node-critical", ptr(int32(2000001000))
		spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	}
	if a.shared != "" {
		spec.Volumes = append(spec.Volumes,
			corev1.Volume{Name: "library", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: a.shared}}},
			corev1.Volume{Name: "cache", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		c.VolumeMounts = []corev1.VolumeMount{{Name: "library", MountPath: "/library"}, {Name: "cache", MountPath: "/cache"}}
	}
	if a.volume != "" {
		c.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	}
	spec.Containers = []corev1.Container{c}
	spec.Affinity = a.affinity()
	return spec
}

func (a app) affinity() *corev1.Affinity {
	if !a.spread && !a.stateful {
		return nil
	}
	out := &corev1.Affinity{}
	if a.spread {
		out.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: a.labels()},
		}}}
	}
	if a.stateful {
		out.NodeAffinity = &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{
			Weight: 100, Preference: corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{
				Key: "turingpi.io/stateful", Operator: corev1.NodeSelectorOpIn, Values: []string{"preferred"},
			}}},
		}}}
	}
	return out
}

func (a app) budget() *policyv1.PodDisruptionBudget {
	if a.minAvailable <= 0 && a.maxGone <= 0 {
		return nil
	}
	b := &policyv1.PodDisruptionBudget{ObjectMeta: a.meta(), Spec: policyv1.PodDisruptionBudgetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: a.labels()},
	}}
	if a.minAvailable > 0 {
		b.Spec.MinAvailable = ptr(intstr.FromInt32(a.minAvailable))
	} else {
		b.Spec.MaxUnavailable = ptr(intstr.FromInt32(a.maxGone))
	}
	return b
}

// seedBackup adds a nightly job with its last run.
func seedBackup(m *sim, t tx) {
	const owner = "kustomize-controller"
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/name": "backup"}},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{
			Name: "backup", Image: "docker.io/rclone/rclone:1.72.1", Resources: corev1.ResourceRequirements{Requests: quantities(10, 16)},
		}}},
	}
	ran := m.ago(7*time.Hour + 12*time.Minute)
	done := metav1.NewTime(ran.Add(94 * time.Second))
	cron := &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Name: "backup", Namespace: "database"},
		Spec: batchv1.CronJobSpec{
			Schedule: "15 3 * * *", ConcurrencyPolicy: batchv1.ForbidConcurrent, Suspend: ptr(false),
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template}},
		},
		Status: batchv1.CronJobStatus{LastScheduleTime: &ran, LastSuccessfulTime: &done},
	}
	m.add(t, cronJobs, cron, appAge, owner, "kube-controller-manager", true)
	name := fmt.Sprintf("backup-%d", ran.Unix()/60)
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "database", CreationTimestamp: ran, Labels: template.Labels,
			OwnerReferences: []metav1.OwnerReference{ownerRef(cronJobs, cron)},
		},
		Spec: batchv1.JobSpec{Completions: ptr(int32(1)), Parallelism: ptr(int32(1)), BackoffLimit: ptr(int32(6)), Template: template},
		Status: batchv1.JobStatus{StartTime: &ran, CompletionTime: &done, Succeeded: 1, Conditions: []batchv1.JobCondition{{
			Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: done, LastProbeTime: done,
		}}},
	}
	m.add(t, jobs, job, 7*time.Hour, "kube-controller-manager", "kube-controller-manager", false)
	p := m.newPod(template, ownerRef(jobs, job), "database", name+"-"+suffixOf(m.scene.Seed, 5, name))
	p.Labels = with(p.Labels, batchv1.JobNameLabel, name)
	p.CreationTimestamp = ran
	if node, _ := m.place(t, p); node != "" {
		p.Spec.NodeName = node
		m.setRunning(p, ran)
		end := &p.Status.ContainerStatuses[0]
		end.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: ran, FinishedAt: done, ContainerID: end.ContainerID,
		}}
		end.Ready, end.Started = false, ptr(false)
		p.Status.Phase = corev1.PodSucceeded
		m.readyCondition(p, corev1.ConditionFalse, "PodCompleted")
		p.Status.Conditions = slices.Clip(p.Status.Conditions)
		t.put(pods, p)
	}
}
