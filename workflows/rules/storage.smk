# With a storage, as on Kubernetes, results and data are objects in a bucket. Snakemake keeps copies of them in a folder,
# in which commands run then; what they read of the project is linked there.
if STORAGE is not None:
    prefix = workflow.storage_settings.default_storage_prefix.rstrip("/")
    folder = STORAGE.object(f"{prefix}/results").local_path().parent.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for source in ("tables", "workflows"):
        if not (folder / source).exists():
            (folder / source).symlink_to(Path(source).absolute())
    os.environ["HOURGLASS_FOLDER"] = str(folder)
    if NAME.endswith(".yaml"):
        NAME = os.path.abspath(NAME)
