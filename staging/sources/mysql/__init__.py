"""MySQL and MariaDB: one reader in one transaction, or key ranges at best effort, by PyMySQL."""

from staging.sources.mysql.mysql_source import MysqlSource

__all__ = ["MysqlSource"]
