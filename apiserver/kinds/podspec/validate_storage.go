package podspec

import (
	"net"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const iscsiTooLong = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."

// commonSources are the sorts of storage that pods and persistent volumes
// describe alike.
type commonSources struct {
	hostPath  *corev1.HostPathVolumeSource
	gce       *corev1.GCEPersistentDiskVolumeSource
	aws       *corev1.AWSElasticBlockStoreVolumeSource
	nfs       *corev1.NFSVolumeSource
	flocker   *corev1.FlockerVolumeSource
	quobyte   *corev1.QuobyteVolumeSource
	fc        *corev1.FCVolumeSource
	vsphere   *corev1.VsphereVirtualDiskVolumeSource
	photon    *corev1.PhotonPersistentDiskVolumeSource
	portworx  *corev1.PortworxVolumeSource
	azureDisk *corev1.AzureDiskVolumeSource
}

func (s commonSources) list(e *check.Errors) []source {
	return []source{
		{set: s.hostPath != nil, name: "hostPath", check: func(at *field.Path) { hostPath(e, at, s.hostPath) }},
		{set: s.gce != nil, name: "gcePersistentDisk", shown: "persistentDisk", check: func(at *field.Path) {
			e.NotEmpty(at.Child("pdName"), s.gce.PDName)
			partition(e, at, s.gce.Partition)
		}},
		{set: s.aws != nil, name: "awsElasticBlockStore", check: func(at *field.Path) {
			e.NotEmpty(at.Child("volumeID"), s.aws.VolumeID)
			partition(e, at, s.aws.Partition)
		}},
		{set: s.nfs != nil, name: "nfs", check: func(at *field.Path) {
			e.NotEmpty(at.Child("server"), s.nfs.Server)
			e.NotEmpty(at.Child("path"), s.nfs.Path)
			if !path.IsAbs(s.nfs.Path) {
				e.Invalid(at.Child("path"), s.nfs.Path, "must be an absolute path")
			}
		}},
		{set: s.flocker != nil, name: "flocker", check: func(at *field.Path) {
			name, id := s.flocker.DatasetName, s.flocker.DatasetUUID
			if name == "" && id == "" {
				e.Required(at, "one of datasetName and datasetUUID is required")
			} else if name != "" && id != "" {
				e.Invalid(at, "resource", "datasetName and datasetUUID can not be specified simultaneously")
			}
			if strings.Contains(name, "/") {
				e.Invalid(at.Child("datasetName"), name, "must not contain '/'")
			}
		}},
		{set: s.quobyte != nil, name: "quobyte", check: func(at *field.Path) { quobyte(e, at, s.quobyte) }},
		{set: s.fc != nil, name: "fc", check: func(at *field.Path) { fibreChannel(e, at, s.fc) }},
		{set: s.vsphere != nil, name: "vsphereVolume", check: func(at *field.Path) { e.NotEmpty(at.Child("volumePath"), s.vsphere.VolumePath) }},
		{set: s.photon != nil, name: "photonPersistentDisk", check: func(at *field.Path) { e.NotEmpty(at.Child("pdID"), s.photon.PdID) }},
		{set: s.portworx != nil, name: "portworxVolume", check: func(at *field.Path) { e.NotEmpty(at.Child("volumeID"), s.portworx.VolumeID) }},
		{set: s.azureDisk != nil, name: "azureDisk", check: func(at *field.Path) { azureDisk(e, at, s.azureDisk) }},
	}
}

// storageSources are the sorts of volumes that outlive a pod.
func (c *checker) storageSources(s *corev1.VolumeSource, alsoISCSI func()) []source {
	e := &c.Errors
	common := commonSources{
		s.HostPath, s.GCEPersistentDisk, s.AWSElasticBlockStore, s.NFS, s.Flocker, s.Quobyte, s.FC, s.VsphereVolume,
		s.PhotonPersistentDisk, s.PortworxVolume, s.AzureDisk,
	}
	secretName := func(at *field.Path, r *corev1.LocalObjectReference) {
		if r != nil {
			e.NotEmpty(at.Child("secretRef", "name"), r.Name)
		}
	}
	return append(common.list(e),
		source{set: s.ISCSI != nil, name: "iscsi", check: func(at *field.Path) {
			i := s.ISCSI
			iscsi(e, at, iscsiTarget{
				portal: i.TargetPortal, iqn: i.IQN, lun: i.Lun, initiator: i.InitiatorName,
				auth: i.DiscoveryCHAPAuth || i.SessionCHAPAuth, secret: i.SecretRef != nil,
				formats: " starting with iqn, eui, or naa",
			})
		}, also: alsoISCSI},
		source{set: s.Glusterfs != nil, name: "glusterfs", check: func(at *field.Path) {
			e.NotEmpty(at.Child("endpoints"), s.Glusterfs.EndpointsName)
			e.NotEmpty(at.Child("path"), s.Glusterfs.Path)
		}},
		source{set: s.RBD != nil, name: "rbd", check: func(at *field.Path) { rbd(e, at, s.RBD.CephMonitors, s.RBD.RBDImage) }},
		source{set: s.Cinder != nil, name: "cinder", check: func(at *field.Path) {
			e.NotEmpty(at.Child("volumeID"), s.Cinder.VolumeID)
			secretName(at, s.Cinder.SecretRef)
		}},
		source{set: s.CephFS != nil, name: "cephFS", shown: "cephfs", check: func(at *field.Path) { monitors(e, at, s.CephFS.Monitors) }},
		source{set: s.FlexVolume != nil, name: "flexVolume", check: func(at *field.Path) { flex(e, at, s.FlexVolume.Driver, s.FlexVolume.Options) }},
		source{set: s.AzureFile != nil, name: "azureFile", check: func(at *field.Path) {
			e.NotEmpty(at.Child("secretName"), s.AzureFile.SecretName)
			e.NotEmpty(at.Child("shareName"), s.AzureFile.ShareName)
		}},
		source{set: s.StorageOS != nil, name: "storageos", check: func(at *field.Path) {
			storageOS(e, at, s.StorageOS.VolumeName, s.StorageOS.VolumeNamespace)
			secretName(at, s.StorageOS.SecretRef)
		}},
		source{set: s.ScaleIO != nil, name: "scaleIO", check: func(at *field.Path) {
			scaleIO(e, at, s.ScaleIO.Gateway, s.ScaleIO.System, s.ScaleIO.VolumeName)
		}},
	)
}

// PersistentSource checks the storage of the persistent volume of a name; it
// must be one sort. placed says whether the volume names its nodes.
func PersistentSource(e *check.Errors, p *field.Path, s *corev1.PersistentVolumeSource, name string, placed func() bool) {
	common := commonSources{
		s.HostPath, s.GCEPersistentDisk, s.AWSElasticBlockStore, s.NFS, s.Flocker, s.Quobyte, s.FC, s.VsphereVolume,
		s.PhotonPersistentDisk, s.PortworxVolume, s.AzureDisk,
	}
	secret := func(at *field.Path, r *corev1.SecretReference) {
		if r != nil {
			e.NotEmpty(at.Child("secretRef", "name"), r.Name)
			e.NotEmpty(at.Child("secretRef", "namespace"), r.Namespace)
		}
	}
	const order = "hostPath gcePersistentDisk awsElasticBlockStore glusterfs flocker nfs rbd quobyte cephFS iscsi cinder fc flexVolume " +
		"azureFile vsphereVolume photonPersistentDisk portworxVolume azureDisk scaleIO local storageos csi"
	oneSource(e, p, order, append(common.list(e),
		source{set: s.Glusterfs != nil, name: "glusterfs", check: func(at *field.Path) {
			e.NotEmpty(at.Child("endpoints"), s.Glusterfs.EndpointsName)
			e.NotEmpty(at.Child("path"), s.Glusterfs.Path)
			if ns := s.Glusterfs.EndpointsNamespace; ns != nil {
				if *ns == "" {
					e.Invalid(at.Child("endpointsNamespace"), *ns, "if the endpointnamespace is set, it must be a valid namespace name")
				} else {
					e.Messages(at.Child("endpointsNamespace"), *ns, apivalidation.ValidateNamespaceName(*ns, false))
				}
			}
		}},
		source{set: s.RBD != nil, name: "rbd", check: func(at *field.Path) { rbd(e, at, s.RBD.CephMonitors, s.RBD.RBDImage) }},
		source{set: s.CephFS != nil, name: "cephFS", shown: "cephfs", check: func(at *field.Path) { monitors(e, at, s.CephFS.Monitors) }},
		source{set: s.ISCSI != nil, name: "iscsi", check: func(at *field.Path) {
			i := s.ISCSI
			iscsi(e, at, iscsiTarget{
				portal: i.TargetPortal, iqn: i.IQN, lun: i.Lun, initiator: i.InitiatorName,
				auth: i.DiscoveryCHAPAuth || i.SessionCHAPAuth, secret: i.SecretRef != nil, nameless: i.SecretRef != nil && i.SecretRef.Name == "",
				long: i.InitiatorName != nil && len(name)+1+len(i.TargetPortal) > 64,
			})
		}},
		source{set: s.Cinder != nil, name: "cinder", check: func(at *field.Path) {
			e.NotEmpty(at.Child("volumeID"), s.Cinder.VolumeID)
			secret(at, s.Cinder.SecretRef)
		}},
		source{set: s.FlexVolume != nil, name: "flexVolume", more: true, check: func(at *field.Path) { flex(e, at, s.FlexVolume.Driver, s.FlexVolume.Options) }},
		source{set: s.AzureFile != nil, name: "azureFile", check: func(at *field.Path) {
			e.NotEmpty(at.Child("secretName"), s.AzureFile.SecretName)
			e.NotEmpty(at.Child("shareName"), s.AzureFile.ShareName)
			if ns := s.AzureFile.SecretNamespace; ns != nil {
				e.NotEmpty(at.Child("secretNamespace"), *ns)
			}
		}},
		source{set: s.ScaleIO != nil, name: "scaleIO", check: func(at *field.Path) {
			scaleIO(e, at, s.ScaleIO.Gateway, s.ScaleIO.System, s.ScaleIO.VolumeName)
		}},
		source{set: s.Local != nil, name: "local", check: func(at *field.Path) {
			if s.Local.Path == "" {
				e.Required(at.Child("path"), "")
			} else {
				noBacksteps(e, at.Child("path"), s.Local.Path)
			}
			if !placed() {
				e.Required(p.Child("nodeAffinity"), "Local volume requires node affinity")
			}
		}},
		source{set: s.StorageOS != nil, name: "storageos", check: func(at *field.Path) {
			storageOS(e, at, s.StorageOS.VolumeName, s.StorageOS.VolumeNamespace)
			if r := s.StorageOS.SecretRef; r != nil {
				e.NotEmpty(at.Child("secretRef", "name"), r.Name)
				e.NotEmpty(at.Child("secretRef", "namespace"), r.Namespace)
			}
		}},
		source{set: s.CSI != nil, name: "csi", check: func(at *field.Path) {
			CSIDriverName(e, at.Child("driver"), s.CSI.Driver)
			e.NotEmpty(at.Child("volumeHandle"), s.CSI.VolumeHandle)
			for _, r := range []struct {
				name string
				ref  *corev1.SecretReference
			}{
				{"controllerPublishSecretRef", s.CSI.ControllerPublishSecretRef}, {"controllerExpandSecretRef", s.CSI.ControllerExpandSecretRef},
				{"nodePublishSecretRef", s.CSI.NodePublishSecretRef}, {"nodeExpandSecretRef", s.CSI.NodeExpandSecretRef},
			} {
				if r.ref == nil {
					continue
				}
				if r.ref.Name == "" {
					e.Required(at.Child(r.name, "name"), "")
				} else {
					e.DNSSubdomain(at.Child(r.name, "name"), r.ref.Name)
				}
				e.RequiredDNSLabel(at.Child(r.name, "namespace"), r.ref.Namespace)
			}
		}},
	))
}

// CSIDriverName checks the name of a CSI driver.
func CSIDriverName(e *check.Errors, p *field.Path, name string) {
	if name == "" {
		e.Required(p, "")
		return
	}
	const most = 63
	if len(name) > most {
		e.TooLong(p, most)
	}
	e.Messages(p, name, validation.IsDNS1123Subdomain(strings.ToLower(name)))
}

func partition(e *check.Errors, p *field.Path, n int32) {
	if n < 0 || n > 255 {
		e.Invalid(p.Child("partition"), n, validation.InclusiveRangeError(1, 255))
	}
}

func monitors(e *check.Errors, p *field.Path, list []string) {
	if len(list) == 0 {
		e.Required(p.Child("monitors"), "")
	}
}

func rbd(e *check.Errors, p *field.Path, list []string, image string) {
	monitors(e, p, list)
	e.NotEmpty(p.Child("image"), image)
}

func scaleIO(e *check.Errors, p *field.Path, gateway, system, volume string) {
	e.NotEmpty(p.Child("gateway"), gateway)
	e.NotEmpty(p.Child("system"), system)
	e.NotEmpty(p.Child("volumeName"), volume)
}

func storageOS(e *check.Errors, p *field.Path, volume, namespace string) {
	e.RequiredDNSLabel(p.Child("volumeName"), volume)
	if namespace != "" {
		e.DNSLabel(p.Child("volumeNamespace"), namespace)
	}
}

func flex(e *check.Errors, p *field.Path, driver string, options map[string]string) {
	e.NotEmpty(p.Child("driver"), driver)
	for key := range options {
		ns, _, _ := strings.Cut(key, "/")
		ns = "." + strings.ToLower(ns)
		if strings.HasSuffix(ns, ".kubernetes.io") || strings.HasSuffix(ns, ".k8s.io") {
			e.Invalid(p.Child("options").Key(key), key, "kubernetes.io and k8s.io namespaces are reserved")
		}
	}
}

func hostPath(e *check.Errors, p *field.Path, s *corev1.HostPathVolumeSource) {
	if s.Path == "" {
		e.Required(p.Child("path"), "")
		return
	}
	noBacksteps(e, p.Child("path"), s.Path)
	check.OptionalOneOf(e, p.Child("type"), s.Type, corev1.HostPathUnset, corev1.HostPathBlockDev, corev1.HostPathCharDev, corev1.HostPathDirectory,
		corev1.HostPathDirectoryOrCreate, corev1.HostPathFile, corev1.HostPathFileOrCreate, corev1.HostPathSocket)
}

type iscsiTarget struct {
	portal, iqn  string
	lun          int32
	initiator    *string
	auth, secret bool
	// nameless says that the secret has no name, and long that the portal's
	// name is too long beside that of the volume.
	nameless, long bool
	// formats explains what names look like.
	formats string
}

func iscsi(e *check.Errors, p *field.Path, t iscsiTarget) {
	e.NotEmpty(p.Child("targetPortal"), t.portal)
	if t.long {
		e.Invalid(p.Child("targetportal"), t.portal, iscsiTooLong)
	}
	if t.iqn == "" {
		e.Required(p.Child("iqn"), "")
	} else {
		iscsiName(e, p.Child("iqn"), t.iqn, t.formats)
	}
	if t.lun < 0 || t.lun > 255 {
		e.Invalid(p.Child("lun"), t.lun, validation.InclusiveRangeError(0, 255))
	}
	if t.auth && !t.secret {
		e.Required(p.Child("secretRef"), "")
	}
	if t.nameless {
		e.Required(p.Child("secretRef", "name"), "")
	}
	if t.initiator != nil {
		iscsiName(e, p.Child("initiatorname"), *t.initiator, t.formats)
	}
}

func iscsiName(e *check.Errors, p *field.Path, name, formats string) {
	patterns := map[string]string{
		"iqn": `iqn\.\d{4}-\d{2}\.([[:alnum:]-.]+)(:[^,;*&$|\s]+)$`, "eui": `^eui.[[:alnum:]]{16}$`, "naa": `^naa.[[:alnum:]]{32}$`,
	}
	if pattern, known := patterns[name[:min(3, len(name))]]; !known {
		e.Invalid(p, name, "must be valid format"+formats)
	} else if !regexp.MustCompile(pattern).MatchString(name) {
		e.Invalid(p, name, "must be valid format")
	}
}

func fibreChannel(e *check.Errors, p *field.Path, s *corev1.FCVolumeSource) {
	at := p.Child("targetWWNs")
	switch names, ids := len(s.TargetWWNs), len(s.WWIDs); {
	case names == 0 && ids == 0:
		e.Required(at, "must specify either targetWWNs or wwids, but not both")
	case names > 0 && ids > 0:
		e.Invalid(at, s.TargetWWNs, "targetWWNs and wwids can not be specified simultaneously")
	}
	if len(s.TargetWWNs) > 0 {
		if s.Lun == nil {
			e.Required(p.Child("lun"), "lun is required if targetWWNs is specified")
		} else if *s.Lun < 0 || *s.Lun > 255 {
			e.Invalid(p.Child("lun"), s.Lun, validation.InclusiveRangeError(0, 255))
		}
	}
}

func quobyte(e *check.Errors, p *field.Path, s *corev1.QuobyteVolumeSource) {
	const pairs = "must be a host:port pair or multiple pairs separated by commas"
	switch {
	case s.Registry == "":
		e.Required(p.Child("registry"), pairs)
	case len(s.Tenant) >= 65:
		e.Required(p.Child("tenant"), "must be a UUID and may not exceed a length of 64 characters")
	default:
		for pair := range strings.SplitSeq(s.Registry, ",") {
			if _, _, err := net.SplitHostPort(pair); err != nil {
				e.Invalid(p.Child("registry"), s.Registry, pairs)
			}
		}
	}
	e.NotEmpty(p.Child("volume"), s.Volume)
}

func azureDisk(e *check.Errors, p *field.Path, s *corev1.AzureDiskVolumeSource) {
	e.NotEmpty(p.Child("diskName"), s.DiskName)
	e.NotEmpty(p.Child("diskURI"), s.DataDiskURI)
	check.OptionalOneOf(e, p.Child("cachingMode"), s.CachingMode, corev1.AzureDataDiskCachingNone, corev1.AzureDataDiskCachingReadOnly, corev1.AzureDataDiskCachingReadWrite)
	kinds := []corev1.AzureDataDiskKind{corev1.AzureDedicatedBlobDisk, corev1.AzureManagedDisk, corev1.AzureSharedBlobDisk}
	if s.Kind == nil {
		return
	}
	if !slices.Contains(kinds, *s.Kind) {
		e.Add(field.NotSupported(p.Child("kind"), *s.Kind, kinds))
	}
	prefix, form := "https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
	if *s.Kind == corev1.AzureManagedDisk {
		prefix, form = "/subscriptions/", "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
	}
	if !strings.HasPrefix(s.DataDiskURI, prefix) {
		e.Add(field.NotSupported(p.Child("diskURI"), s.DataDiskURI, []string{form}))
	}
}
